"""The contract between pipeline and train: a reader opens what the manifest vouches for, and nothing else."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.shards import make_rows, make_shards
from wikilm import shards as sf
from wikilm.errors import RunError


def test_a_split_opens_with_all_rows_of_its_shards_in_order(shards):
    folder, manifest = shards
    table = sf.open_split(folder, manifest, "train")
    assert table.num_rows == manifest.row_count("train") == 24
    assert table.schema == sf.schema(32, manifest.tokenizer.vocab_size)


def test_a_folder_without_manifest_is_no_shards(tmp_path):
    with pytest.raises(RunError, match=r"manifest\.json: no such file.*python -m pipeline"):
        sf.read_manifest(tmp_path)


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


def test_rows_come_back_from_all_shards_in_any_order(tiny_tokenizer, tmp_path):
    make_shards(tmp_path, tiny_tokenizer, units=3)
    rows, expected = sf.open_checked(tmp_path).rows("train"), make_rows(tiny_tokenizer, 24, seed=1)
    assert len(rows) == 24
    for indices in ([], [0], [23, 0, 7, 7, 8, 16], list(range(24))[::-1]):
        taken = rows.take(np.array(indices, dtype=np.int64))
        assert taken.dtype == np.int64
        assert (taken == expected[indices]).all()


def test_an_id_beyond_the_vocabulary_is_refused_before_it_reaches_a_gpu(tiny_tokenizer, tmp_path):
    entries = make_shards(tmp_path, tiny_tokenizer, train=np.full((2, 32), 400)).tokenizer.vocab_size
    with pytest.raises(RunError, match=f"id 400, but the vocabulary ends at {entries - 1}; run python"):
        sf.open_checked(tmp_path).rows("train").take(np.array([1]))


@given(st.integers(0, 9), st.integers(0, 9), st.sampled_from([1, 2**16 + 1]))
def test_rows_as_an_array_are_the_rows_of_the_table_and_no_copy(start, length, vocab_size):
    ids = pa.array(np.arange(72).reshape(9, 8).tolist(), sf.schema(8, vocab_size).field("input_ids").type)
    rows = sf.token_rows(ids.slice(start, length))
    assert rows.tolist() == ids.slice(start, length).to_pylist()
    assert rows.shape[1] == 8
    assert not rows.size or np.shares_memory(rows, np.from_dlpack(ids.values))
