"""A manifest reads back as it was written, or is refused: by a hash of its own, its format, and its paths."""

import json

import pytest
from pydantic import ValidationError

from tests.helpers.manifests import BALANCED, shard
from tests.helpers.shards import make_shards
from wikilm import shards as sf
from wikilm.errors import RunError


def test_the_manifest_reads_back_as_it_was_written(shards):
    folder, manifest = shards
    assert sf.read_manifest(folder) == manifest
    assert sf.manifest_bytes(sf.read_manifest(folder)) == (folder / sf.MANIFEST).read_bytes()


@pytest.mark.parametrize("number", [0, 7])
def test_unknown_tags_are_in_the_ledger_only_where_there_are_some(shards, number):
    _, manifest = shards
    counted = manifest.model_copy(update={"counts": manifest.counts.model_copy(update={"unknown_tags": number})})
    stored = sf.manifest_bytes(counted)
    assert sf.parse_manifest(stored, "manifest.json") == counted
    assert (b"unknown_tags" in stored) == (number > 0)


@pytest.mark.parametrize(("found", "which"), [(1, "an earlier"), (sf.FORMAT + 1, "a later"), (10**30, "a later")])
def test_shards_of_another_version_are_to_be_made_again(tmp_path, found, which):
    (tmp_path / sf.MANIFEST).write_text(json.dumps({"format": found, "else": []}))
    with pytest.raises(RunError, match=f"made by {which} version.*make the shards again") as error:
        sf.read_manifest(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"format": 3}', b'{"format": "x"}', b"\xff", b"[" * 100_000])
def test_a_damaged_manifest_is_refused_in_one_line(tmp_path, damage):
    (tmp_path / sf.MANIFEST).write_bytes(damage)
    with pytest.raises(RunError, match="not a manifest that this version reads") as error:
        sf.read_manifest(tmp_path)
    assert "\n" not in str(error.value)


def test_every_flipped_bit_of_a_manifest_is_found_when_it_is_read(tiny_tokenizer, tmp_path):
    good = sf.manifest_bytes(make_shards(tmp_path, tiny_tokenizer, units=1))
    for bit in range(8 * len(good)):
        data = bytearray(good)
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RunError, match="make the shards again"):
            sf.parse_manifest(bytes(data), "manifest.json")


def test_an_edited_manifest_is_refused_however_well_it_reads(shards):
    folder, _ = shards
    document = json.loads((folder / sf.MANIFEST).read_bytes())
    for edited in (document | {"chunk_tokens": 64}, document | {"sha256": "0" * 64}):
        (folder / sf.MANIFEST).write_text(json.dumps(edited, indent=1) + "\n")
        with pytest.raises(RunError, match=r"manifest\.json: damaged, or edited"):
            sf.read_manifest(folder)
    (folder / sf.MANIFEST).write_text(json.dumps(document))
    with pytest.raises(RunError, match="damaged, or edited"):
        sf.read_manifest(folder)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x.arrow", "train/../../x", "", "a\\..\\b"])
def test_a_manifest_cannot_point_outside_its_folder(path):
    with pytest.raises(ValidationError):
        sf.FileEntry(path=path, bytes=0, sha256="0" * 64)


def test_shard_tokens_are_compared_with_the_counts():
    shards = [shard("train", 0, 8).model_copy(update={"tokens": 1}), shard("validation", 0, 2)]
    assert [line.split(" = ")[0] for line in sf.imbalances(sf.Counts(**BALANCED), 8, shards)] == ["tokens in shards"]
