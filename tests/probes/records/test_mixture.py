"""Results of other models or shards than those beside them are refused, each in a line that names it."""

import shutil

import pytest

from probes.output import json_text, with_origin
from probes.records import check_results, made_from
from tests.helpers.shards import make_rows, make_shards
from wikilm.errors import RunError


@pytest.fixture
def models(tmp_path, tiny):
    return [shutil.copytree(tiny / kind, tmp_path / kind) for kind in ("masked", "causal")]


def write(path, models, shards):
    path.write_text(json_text(with_origin({"metrics": {}}, made_from([str(one) for one in models], shards, {}))))
    return path


def test_results_of_these_models_and_shards_pass_under_any_name(tmp_path, tiny, models, tiny_shards):
    both = write(tmp_path / "both.json", models, tiny_shards)
    one = write(tmp_path / "one.json", [tiny / "causal"], None)
    check_results({both: models[::-1], one: [models[1]]}, tiny_shards)


def test_a_result_of_other_weights_names_them(tmp_path, models, tiny_shards):
    result = write(tmp_path / "result.json", models, tiny_shards)
    with (models[0] / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    with pytest.raises(RunError, match=r"result.json: made from another weights than .*/masked has now"):
        check_results({result: models}, tiny_shards)


def test_a_result_of_another_model_or_one_too_many_is_refused(tmp_path, models, tiny_shards):
    result = write(tmp_path / "result.json", models, tiny_shards)
    with pytest.raises(RunError, match="causal', too, which is none of the models"):
        check_results({result: models[:1]}, tiny_shards)
    alone = write(tmp_path / "alone.json", models[:1], tiny_shards)
    with pytest.raises(RunError, match=r"alone.json: made from '.*/masked', not from .*/causal"):
        check_results({alone: models[1:]}, tiny_shards)


def test_a_result_of_other_shards_is_refused(tmp_path, tiny, models, tiny_shards):
    make_shards(tmp_path / "other", tiny / "tokenizer", make_rows(tiny / "tokenizer", 9, seed=8))
    result = write(tmp_path / "result.json", models, tmp_path / "other")
    with pytest.raises(RunError, match=r"result.json: made from other shards"):
        check_results({result: models}, tiny_shards)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "made_from: Field required"),
        ("[" * 9999, "Invalid JSON"),
        ('{"made_from": {"models": [{"name": "x", "weights": "0"}]}}', "weights"),
        ('{"made_from": 3}', "made_from"),
    ],
    ids=["nothing said", "no JSON", "no hash", "no record"],
)
def test_a_result_that_does_not_say_its_making_is_refused(tmp_path, models, tiny_shards, content, said):
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(RunError, match=r"result.json: .*make it again") as caught:
        check_results({tmp_path / "result.json": models}, tiny_shards)
    assert said in str(caught.value)
