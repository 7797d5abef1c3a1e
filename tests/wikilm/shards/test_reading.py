"""The contract between pipeline and train: a reader opens what the manifest vouches for, and nothing else."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.helpers.shards import make_rows, make_shards
from wikilm import shards as sf
from wikilm.errors import RunError


@pytest.fixture
def shards(tiny, tmp_path):
    folder = tmp_path / "shards"
    return folder, make_shards(folder, tiny / "tokenizer")


def test_the_manifest_reads_back_as_it_was_written(shards):
    folder, manifest = shards
    assert sf.read_manifest(folder) == manifest
    assert sf.manifest_bytes(sf.read_manifest(folder)) == (folder / sf.MANIFEST).read_bytes()


def test_a_split_opens_with_all_rows_of_its_shards_in_order(shards):
    folder, manifest = shards
    table = sf.open_split(folder, manifest, "train")
    assert table.num_rows == manifest.row_count("train") == 24
    assert table.schema == sf.schema(32, manifest.tokenizer.vocab_size)


@pytest.mark.parametrize(("vocab_size", "kind"), [(2**16, pa.uint16()), (2**16 + 1, pa.uint32())])
def test_ids_take_two_bytes_as_long_as_they_fit(vocab_size, kind):
    assert sf.id_type(vocab_size) == kind


def test_a_folder_without_manifest_is_no_shards(tmp_path):
    with pytest.raises(RunError, match=r"manifest\.json: no such file.*python -m pipeline"):
        sf.read_manifest(tmp_path)


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


def test_every_flipped_bit_of_a_manifest_is_found_when_it_is_read(tiny, tmp_path):
    good = sf.manifest_bytes(make_shards(tmp_path, tiny / "tokenizer", units=1))
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


@pytest.mark.parametrize("hashes", [True, False])
def test_sound_shards_have_no_problems(shards, hashes):
    assert list(sf.problems(*shards, hashes=hashes)) == []


def test_every_flipped_byte_is_found_by_hash(shards):
    folder, manifest = shards
    for entry in manifest.entries:
        path = folder / entry.path
        good = path.read_bytes()
        path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        assert [name for name, _ in sf.problems(folder, manifest, hashes=True)] == [entry.path]
        path.write_bytes(good)


@pytest.mark.parametrize("hashes", [True, False])
def test_a_missing_and_a_cut_file_are_found(shards, hashes):
    folder, manifest = shards
    first, second = manifest.shards[:2]
    (folder / first.path).unlink()
    (folder / second.path).write_bytes(b"short")
    found = dict(sf.problems(folder, manifest, hashes=hashes))
    assert found[first.path] == "is missing"
    assert found[second.path].startswith("has 5 bytes")
    with pytest.raises(RunError, match=r"pipeline\.verify"):
        sf.open_split(folder, manifest, "train")


def test_rows_of_another_length_than_the_manifest_says_are_refused(shards):
    folder, _ = shards
    other = sf.read_manifest(folder).model_copy(update={"chunk_tokens": 64})
    (folder / sf.MANIFEST).write_bytes(sf.manifest_bytes(other))
    with pytest.raises(RunError, match=r"not the shard that manifest\.json names"):
        sf.open_split(folder, sf.read_manifest(folder), "train")


def test_a_folder_is_opened_once_all_its_files_are_there_in_their_sizes(shards):
    folder, manifest = shards
    assert sf.open_checked(folder) == sf.ShardFolder(folder, manifest)
    last = folder / manifest.entries[-1].path
    last.write_bytes(last.read_bytes() + b"more")
    with pytest.raises(RunError, match=rf"{last}: has .* bytes instead of .*pipeline\.verify"):
        sf.open_checked(folder)
    last.unlink()
    with pytest.raises(RunError, match=rf"{last}: is missing; .*pipeline\.verify"):
        sf.open_checked(folder)


def test_rows_come_back_from_all_shards_in_any_order(tiny, tmp_path):
    make_shards(tmp_path, tiny / "tokenizer", units=3)
    rows, expected = sf.open_checked(tmp_path).rows("train"), make_rows(tiny / "tokenizer", 24, seed=1)
    assert len(rows) == 24
    for indices in ([], [0], [23, 0, 7, 7, 8, 16], list(range(24))[::-1]):
        taken = rows.take(np.array(indices, dtype=np.int64))
        assert taken.dtype == np.int64
        assert (taken == expected[indices]).all()


def test_an_id_beyond_the_vocabulary_is_refused_before_it_reaches_a_gpu(tiny, tmp_path):
    entries = make_shards(tmp_path, tiny / "tokenizer", train=np.full((2, 32), 400)).tokenizer.vocab_size
    with pytest.raises(RunError, match=f"id 400, but the vocabulary ends at {entries - 1}; run python"):
        sf.open_checked(tmp_path).rows("train").take(np.array([1]))


@given(st.integers(0, 9), st.integers(0, 9), st.sampled_from([1, 2**16 + 1]))
def test_rows_as_an_array_are_the_rows_of_the_table_and_no_copy(start, length, vocab_size):
    ids = pa.array(np.arange(72).reshape(9, 8).tolist(), sf.schema(8, vocab_size).field("input_ids").type)
    rows = sf.token_rows(ids.slice(start, length))
    assert rows.tolist() == ids.slice(start, length).to_pylist()
    assert rows.shape[1] == 8
    assert not rows.size or np.shares_memory(rows, np.from_dlpack(ids.values))


@given(st.integers(0, 99_998), st.integers(1, 99_999))
def test_shard_names_sort_in_the_order_of_their_units(unit, units):
    assert sf.shard_name("train", unit, units) < sf.shard_name("train", unit + 1, units)
