"""A result says what it was made from, and of that alone: any other weights, config, tokenizer or shards show."""

import json
import shutil

import pytest

from probes.records import made_from
from tests.helpers.shards import make_rows, make_shards
from wikilm.errors import RunError
from wikilm.files import sha256_of


@pytest.fixture
def folder(tmp_path, tiny):
    return shutil.copytree(tiny / "masked", tmp_path / "model")


def test_the_same_files_make_the_same_record_wherever_they_lie(tiny, folder):
    here, there = made_from([str(tiny / "masked")], None, {}), made_from([str(folder)], None, {})
    assert here.models[0].weights == there.models[0].weights == sha256_of(folder / "model.safetensors")
    assert (here.models[0].config, here.models[0].tokenizer) == (there.models[0].config, there.models[0].tokenizer)
    assert there.models[0].name == str(folder)
    assert set(here.versions) == {"wikilm", "torch", "transformers"}


@pytest.mark.parametrize(
    ("file", "field"), [("model.safetensors", "weights"), ("config.json", "config"), ("tokenizer.json", "tokenizer")]
)
def test_each_file_that_decides_an_answer_shows(tiny, folder, file, field):
    data = (folder / file).read_bytes()
    changed = data[:-1] + bytes([data[-1] ^ 1]) if file.endswith(".safetensors") else data + b" "
    (folder / file).write_bytes(changed)
    before, after = (made_from([str(one)], None, {}).models[0] for one in (tiny / "masked", folder))
    assert {name for name in ("weights", "config", "tokenizer") if getattr(before, name) != getattr(after, name)} == {
        field
    }


def test_a_model_in_several_files_has_one_hash_of_them_all(folder):
    whole = made_from([str(folder)], None, {}).models[0].weights
    (folder / "model.safetensors").rename(folder / "part.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "part.safetensors"}}))
    assert made_from([str(folder)], None, {}).models[0].weights == whole, "of a single file it is the file's own"
    shutil.copyfile(folder / "part.safetensors", folder / "other.safetensors")
    index = {"weight_map": {"a": "part.safetensors", "b": "other.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert made_from([str(folder)], None, {}).models[0].weights != whole


def test_shards_are_known_by_their_manifest(tmp_path, tiny, tiny_shards):
    make_shards(tmp_path / "same", tiny / "tokenizer")
    make_shards(tmp_path / "other", tiny / "tokenizer", make_rows(tiny / "tokenizer", 9, seed=8))
    found = [made_from([], folder, {}).shards for folder in (tiny_shards, tmp_path / "same", tmp_path / "other")]
    assert found[0] == found[1] != found[2]
    with pytest.raises(RunError, match=r"nothing/manifest.json"):
        made_from([], tmp_path / "nothing", {})
