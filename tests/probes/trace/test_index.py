"""An index answers as its rows do, however it is cut; one that is damaged or of other shards is refused in one line."""

import errno
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probes.trace import build_index, check_index, open_index
from probes.trace import index as index_module
from tests.helpers.limits import files_of_at_most
from tests.helpers.shards import make_rows, make_shards
from wikilm.errors import RunError, UsageError
from wikilm.shards import read_manifest

WIDTH = 6


@pytest.fixture
def folder(tmp_path, tiny_shards):
    """An index of the tiny shards, beside a copy of them."""
    build_index(tiny_shards, tmp_path / "index", 200)
    shutil.copytree(tiny_shards, tmp_path / "shards")
    return tmp_path


def test_a_full_device_is_named_with_the_index_and_leaves_nothing(tmp_path, tiny_shards):
    with files_of_at_most(200), pytest.raises(OSError, match="index") as failed:
        build_index(tiny_shards, tmp_path / "index", 200)
    assert (failed.value.errno, failed.value.filename) == (errno.EFBIG, str(tmp_path / "index"))
    assert not list(tmp_path.iterdir())


def refusal(folder) -> str:
    with pytest.raises(RunError) as refused:
        open_index(folder / "index", folder / "shards")
    assert len(str(refused.value).splitlines()) == 1
    return str(refused.value)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.integers(0, 2), min_size=WIDTH, max_size=WIDTH), min_size=1, max_size=9),
    st.lists(st.sampled_from([0, 1, 2, 399, 400, 70000]), min_size=1, max_size=9),
    st.integers(1, 40),
)
def test_however_an_index_is_cut_it_answers_as_its_rows_do(make_index, rows, text, part_tokens):
    index = make_index(np.array(rows), np.array(rows[:1]), part_tokens)
    for split, some in (("train", rows), ("validation", rows[:1])):
        longest = index.longest(split, text)
        for start, length in enumerate(longest):
            here = text[start : start + length]
            places = [
                (number, at)
                for number, row in enumerate(some)
                for at in range(WIDTH - length + 1)
                if row[at : at + length] == here
            ]
            longer = text[start : start + length + 1]
            assert len(longer) == length or all(
                row[at : at + length + 1] != longer for row in some for at in range(WIDTH - length)
            )
            if length:
                assert index.times(split, here) == len(places) > 0
                assert index.places(split, here, 4) == places[:4]


def test_an_index_is_twice_the_tokens_beside_them_and_the_same_each_time(tmp_path, tiny_shards):
    one, two = (build_index(tiny_shards, tmp_path / name, 200) for name in "ab")
    assert one == two
    files = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()}
    tokens = sum(shard.tokens for shard in read_manifest(tiny_shards).shards)
    assert sum(file.bytes for file in one.files) == tokens * (2 + 4)


def test_an_index_that_could_not_be_made_leaves_nothing(tmp_path, tiny_tokenizer):
    rows = make_rows(tiny_tokenizer, 4)
    rows[1, 1] = 60000
    make_shards(tmp_path / "shards", tiny_tokenizer, rows)
    with pytest.raises(RunError, match="id 60000"):
        build_index(tmp_path / "shards", tmp_path / "index", 100)
    assert [path.name for path in tmp_path.iterdir()] == ["shards"]


def test_what_is_no_index_is_not_replaced_by_one(tmp_path, tiny_shards):
    (tmp_path / "file").write_text("kept")
    for output in (tmp_path, tmp_path / "file", tiny_shards):
        with pytest.raises(RunError, match="name another"):
            build_index(tiny_shards, output, 100)
    assert (tmp_path / "file").read_text() == "kept"
    with pytest.raises(UsageError, match="--output /proc: is a mount point"):
        build_index(tiny_shards, Path("/proc"), 100)
    build_index(tiny_shards, tmp_path / "index", 100)
    (tmp_path / "index" / "manifest.json").unlink()  # what is left of an index is one
    build_index(tiny_shards, tmp_path / "index", 200)
    check_index(tmp_path / "index", tiny_shards)


def test_a_split_without_rows_has_no_part(make_index):
    rows = np.arange(12).reshape(2, WIDTH)
    index = make_index(rows, rows[:0])
    assert index.longest("validation", [0, 1]) == [0, 0]
    assert index.longest("train", [0, 1]) == [2, 1]


def test_an_index_that_is_cut_or_changed_is_refused(folder):
    [file, *_] = sorted((folder / "index").glob("*.places"))
    good = file.read_bytes()
    file.write_bytes(good[:-4])
    assert "cut or changed" in refusal(folder)
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert "cut or changed" in refusal(folder)
    file.unlink()
    assert "cannot read" in refusal(folder)
    manifest = folder / "index" / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text.replace('"rows": 6', '"rows": 5', 1))
    assert "rows and bytes do not fit" in refusal(folder)
    manifest.write_text(text.replace("train-0000000000.tokens", "train-0000000001.tokens", 1))
    assert "damaged, or edited" in refusal(folder)
    manifest.write_text(text.replace("train-0000000000.tokens", "../../tokens", 1))
    assert "leaves the folder" in refusal(folder)
    manifest.write_bytes(b"\xff{")
    assert "not the manifest of an index" in refusal(folder)
    manifest.unlink()
    assert "make the index again with python -m probes index" in refusal(folder)


def test_the_index_of_other_shards_is_refused(folder, tiny_tokenizer):
    shutil.rmtree(folder / "shards")
    make_shards(folder / "shards", tiny_tokenizer, make_rows(tiny_tokenizer, 24, seed=9))
    assert "the index of other shards" in refusal(folder)


def test_a_large_index_is_compared_with_its_hashes_where_asked_and_tells_no_wrong_place(folder, monkeypatch):
    monkeypatch.setattr(index_module, "SMALL", 0)
    index = open_index(folder / "index", folder / "shards")
    token = index.shards.manifest.tokenizer.end_of_text_id
    first, last = index.parts["train"][0].span(index.encode([token]))
    assert last - first > 2
    file = min((folder / "index").glob("train-*.places"))
    data = bytearray(file.read_bytes())
    data[4 * (first + 1) : 4 * (first + 2)] = b"\xff" * 4
    file.write_bytes(data)
    with pytest.raises(RunError, match="cut or changed"):
        check_index(folder / "index", folder / "shards")
    damaged = open_index(folder / "index", folder / "shards")
    with pytest.raises(RunError, match="damaged; make the index again"):
        damaged.places("train", [token], 100)
