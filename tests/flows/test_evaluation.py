"""A model is evaluated on several sets, while it trains and afterwards, with the same figures."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from tests.helpers import ROOT
from tests.helpers.shards import make_rows, make_shards
from tests.helpers.tokenizers import make_tokenizer
from tests.helpers.training import TrainingInputs, environment, record, train
from train.rows.token_bytes import token_bytes

pytestmark = pytest.mark.usefixtures("one_cpu_thread")
FIGURES = ("validation_loss", "perplexity", "bits_per_byte")


@pytest.fixture(scope="module")
def other(tiny_tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another set of the same tokenizer, its rows half as long."""
    folder = tmp_path_factory.mktemp("other") / "shards"
    rows = make_rows(tiny_tokenizer, 9, 16, seed=5)
    make_shards(folder, tiny_tokenizer, rows, rows)
    return folder


@pytest.fixture(scope="module", params=["causal", "masked"])
def trained(
    tiny: Path, other: Path, one_cpu_thread: None, tmp_path_factory: pytest.TempPathFactory, request: Any
) -> tuple[Path, list[str]]:
    """A finished run of each objective that validated on two sets, and its flags."""
    folder = tmp_path_factory.mktemp(request.param)
    arguments = TrainingInputs(tiny / "shards", tiny / "tokenizer").arguments(folder, request.param, epochs=2)
    arguments += ["--validation", f"other={other}", "--validation", f"same={tiny / 'shards'}"]
    train(arguments)
    return folder, arguments


def evaluated(arguments: list[str]) -> dict[str, Any]:
    return json.loads(train([*arguments, "--evaluate"]).stdout)


def tree(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_set_that_is_validated_on_no_more_leaves_no_figures_beside_newer_ones(
    tiny: Path, other: Path, tmp_path: Path
) -> None:
    inputs = TrainingInputs(tiny / "shards", tiny / "tokenizer")
    arguments = [*inputs.arguments(tmp_path, epochs=1, validate_every_steps=1), f"--validation=kept={other}"]
    train([*arguments, f"--validation=dropped={other}", "--max-steps", "2"])
    metrics = tmp_path / "metrics" / "model"
    assert set(json.loads((metrics / "metrics.json").read_text())["validation"]) == {"kept", "dropped"}
    train(arguments)
    assert set(json.loads((metrics / "metrics.json").read_text())["validation"]) == {"kept"}
    assert len((metrics / "plots/metrics/validation/kept/loss.tsv").read_text().splitlines()) == 1 + 6
    assert not (metrics / "plots/metrics/validation/dropped").exists()
    validated = [set(point["validation"]) for point in record(tmp_path)["history"] if "validation" in point]
    assert validated == [{"kept", "dropped"}] * 2 + [{"kept"}] * 4


def with_weights(folder: Path, **changed: torch.Tensor) -> None:
    """Save a model's weights anew, some of them changed or added."""
    path = folder / "model.safetensors"
    save_file(load_file(path) | changed, path, metadata={"format": "pt"})


def damaged_config(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text()) | {"layer_norm_epsilon": -1.0}
    (folder / "config.json").write_text(json.dumps(config))


NORM = "transformer.ln_f.weight"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (
            lambda folder: with_weights(folder, **{NORM: torch.full((16,), torch.nan)}),
            f"{NORM} holds what is no finite",
        ),
        (lambda folder: with_weights(folder, **{NORM: torch.ones(16, dtype=torch.int8)}), "quantized weights are not"),
        (lambda folder: with_weights(folder, more=torch.ones(2)), "has unknown weights, 1 of them, first more"),
        (lambda folder: with_weights(folder, **{NORM: torch.ones(9)}), "its weights have other sizes than its config"),
        (damaged_config, "gives a loss of nan: the model is broken"),
    ],
)
def test_a_broken_model_has_no_figures(tiny: Path, tmp_path: Path, damage: Callable[[Path], None], told: str) -> None:
    arguments = TrainingInputs(tiny / "shards", tiny / "tokenizer").arguments(tmp_path)
    train([*arguments, "--max-steps", "1"])
    damage(tmp_path / "model")
    done = train([*arguments, "--evaluate"], status=1)
    assert told in done.stderr
    assert not done.stdout


def test_a_finished_model_is_evaluated_whatever_its_training_began_with(tiny: Path, tmp_path: Path) -> None:
    inputs = TrainingInputs(tiny / "shards", tiny / "tokenizer")
    train([*inputs.arguments(tmp_path / "first"), "--max-steps", "1"])
    open_shape = dict.fromkeys(("layers", "heads", "width"))
    source = {"from": str(tmp_path / "first" / "model"), "revision": None}
    arguments = inputs.arguments(tmp_path, init=source, **open_shape)
    train([*arguments, "--max-steps", "2"])
    (tmp_path / "first").rename(tmp_path / "gone")
    assert evaluated(arguments)["step"] == 2


def test_an_empty_folder_is_no_model_and_the_checkpoint_is_evaluated(tiny: Path, tmp_path: Path) -> None:
    arguments = TrainingInputs(tiny / "shards", tiny / "tokenizer").arguments(tmp_path)
    train([*arguments, "--max-steps", "2"])
    shutil.rmtree(tmp_path / "model")
    (tmp_path / "model").mkdir()
    assert evaluated(arguments)["model"].startswith(str(tmp_path / "runs"))


def test_each_set_has_its_curves(trained: tuple[Path, list[str]]) -> None:
    folder, arguments = trained
    kept = record(folder)
    names = {"loss", "perplexity"} | ({"bits_per_byte"} if "causal" in arguments else set())
    for point in kept["history"]:
        if "validation_loss" in point:
            assert {name: set(found) for name, found in point["validation"].items()} == {"other": names, "same": names}
            assert point["validation"]["same"]["loss"] == point["validation_loss"]
            assert point["validation"]["other"]["loss"] != point["validation_loss"]
    plots = folder / "metrics" / "model" / "plots" / "metrics" / "validation" / "other"
    assert {path.stem for path in plots.iterdir()} == names
    assert kept["validation"] == kept["history"][-1]["validation"]
    assert (kept["bits_per_byte"] is None) == ("masked" in arguments)


@pytest.mark.parametrize("trained", ["causal"], indirect=True)  # a masked model has none
def test_bits_per_byte_are_those_of_the_text_that_the_model_predicts(
    trained: tuple[Path, list[str]], tiny: Path, other: Path
) -> None:
    folder, _ = trained
    rows = torch.from_numpy(make_rows(tiny / "tokenizer", 9, 16, seed=5))
    model = AutoModelForCausalLM.from_pretrained(folder / "model").eval()
    with torch.no_grad():
        logits = model(rows).logits[:, :-1]
    nats = torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="sum").item()
    counts = token_bytes(tiny / "tokenizer" / "tokenizer.json", 400)
    assert counts is not None
    told = record(folder)["validation"]["other"]["bits_per_byte"]
    assert told == pytest.approx(nats / np.log(2) / counts[rows[:, 1:].numpy()].sum(), rel=1e-5)


def test_an_evaluation_of_the_finished_model_gives_the_figures_of_its_training(
    trained: tuple[Path, list[str]],
) -> None:
    folder, arguments = trained
    before = tree(folder)
    found, kept = evaluated(arguments), record(folder)
    assert (found["model"], found["step"]) == (str(folder / "model"), 12)
    assert {name: found.get(name) for name in (*FIGURES, "validation")} == {
        name: kept[name] for name in (*FIGURES, "validation")
    }
    assert tree(folder) == before


def test_where_there_is_no_model_the_newest_checkpoint_is_evaluated(tiny: Path, tmp_path: Path, other: Path) -> None:
    arguments = TrainingInputs(tiny / "shards", tiny / "tokenizer").arguments(tmp_path)
    said = train([*arguments, "--evaluate"], status=2).stderr
    assert f"no model at {tmp_path / 'model'}, and no checkpoint" in said
    assert not (tmp_path / "runs").exists()
    train([*arguments, "--max-steps", "10"])
    (tmp_path / "model").rename(tmp_path / "elsewhere")
    kept = json.loads((tmp_path / "elsewhere" / "training.json").read_text())
    before = tree(tmp_path)
    found = evaluated(arguments)
    assert found["step"] == 10
    assert {name: found[name] for name in FIGURES} == {name: kept[name] for name in FIGURES}
    assert tree(tmp_path) == before
    for weights in tmp_path.glob("runs/*/*/step-*/model.safetensors"):
        weights.write_bytes(b"cut")
    said = train([*arguments, "--evaluate"], status=1).stderr
    assert "no checkpoint there is whole" in said


@pytest.mark.slow
def test_several_processes_evaluate_as_one_does(trained: tuple[Path, list[str]]) -> None:
    _, arguments = trained
    command = [sys.executable, "-m", "train.launch", "--config_file", "launch/multi-gpu.yaml", "-m", "train"]
    done = subprocess.run(
        [*command, *arguments, "--evaluate"], capture_output=True, text=True, cwd=ROOT, env=environment(), check=True
    )
    (line,) = done.stdout.splitlines()
    found, alone = json.loads(line), evaluated(arguments)
    assert found["validation_loss"] == pytest.approx(alone["validation_loss"], rel=1e-6)
    for name in ("other", "same"):
        assert found["validation"][name] == pytest.approx(alone["validation"][name], rel=1e-6)


def test_what_does_not_fit_is_refused_in_one_line(tiny: Path, tmp_path: Path, other: Path) -> None:
    arguments = TrainingInputs(tiny / "shards", tiny / "tokenizer").arguments(tmp_path)
    make_tokenizer(tmp_path / "foreign", vocab_size=300)
    make_shards(tmp_path / "of-foreign", tmp_path / "foreign")
    make_shards(tmp_path / "longer", tiny / "tokenizer", make_rows(tiny / "tokenizer", 4, 64))
    make_shards(tmp_path / "empty", tiny / "tokenizer", validation=np.zeros((0, 32), dtype=np.int64))
    masked = TrainingInputs(tiny / "shards", tiny / "tokenizer").arguments(tmp_path / "m", "masked")
    train([*masked, "--max-steps", "1"])
    for more, status, told in (
        ([f"--validation=x={tmp_path / 'of-foreign'}"], 2, "another tokenizer made these shards"),
        ([f"--validation=x={tmp_path / 'longer'}"], 2, "rows of 64 tokens, but a model of"),
        ([f"--validation=x={tmp_path / 'empty'}"], 1, "no rows for validation"),
        ([f"--validation=x={tmp_path / 'none'}"], 1, "none/manifest.json: no such file"),
        ([f"--validation=x={other}", f"--validation=x={other}"], 2, "take another name"),
        (["--validation", str(other)], 2, "must be NAME=DIR"),
        (["--validation", f"a/b={other}"], 2, "must be NAME=DIR"),
        (["--evaluate", "--fresh"], 2, "--fresh: has no meaning beside --evaluate"),
        (["--evaluate", "--output", str(tmp_path / "m" / "model")], 2, "a model of type bert"),
        (["--evaluate", "--output", str(tmp_path / "foreign")], 1, "holds no config.json, so it is no model"),
        (["--evaluate", "--output", str(tiny / "causal"), f"--shards={tmp_path / 'longer'}"], 2, "and 48 positions"),
    ):
        said = train([*arguments, *more], status=status).stderr
        assert told in said
        assert said.count("error:") == 1, said
    assert not (tmp_path / "model").exists()
