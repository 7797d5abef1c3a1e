import json
import resource
import signal

import datasets
import numpy as np
import pyarrow as pa
import pytest

from pipeline.chunk import Rows
from pipeline.command import RunError
from pipeline.shard import dataset_files, shard_bytes, write_shard, write_whole
from pipeline.shard_format import schema, sha256_of


def rows(count: int, width: int = 8, top: int = 300) -> Rows:
    ids = (np.arange(count * width, dtype=np.uint32) % top).reshape(count, width)
    return Rows(ids, np.arange(count, dtype=np.int64) * 10, ids.size, 0)


@pytest.mark.parametrize(("vocab_size", "dtype"), [(65536, "uint16"), (65537, "uint32")])
@pytest.mark.parametrize("counts", [(3, 2500), (0, 0), (5, 0)])
def test_load_from_disk_maps_the_shards_with_their_types_also_empty_ones(tmp_path, vocab_size, dtype, counts):
    made = [rows(count) for count in counts]
    entries = [write_shard(tmp_path, "train", unit, 2, some, 8, vocab_size) for unit, some in enumerate(made)]
    for path, data in dataset_files("train", entries, 8, vocab_size).items():
        write_whole(tmp_path / path, data)
    loaded = datasets.load_from_disk(str(tmp_path / "train"))
    assert loaded.features["input_ids"].length == 8
    assert loaded.features["input_ids"].feature.dtype == dtype
    assert loaded.features["page_id"].dtype == "int64"
    assert sorted(file["filename"].split("/")[-1] for file in loaded.cache_files) == [e.path[6:] for e in entries]
    assert loaded["input_ids"][:] == [row for some in made for row in some.input_ids.tolist()]


def test_a_shard_is_the_same_bytes_again_and_says_what_it_is(tmp_path):
    first, second = (write_shard(tmp_path / name, "validation", 3, 12, rows(7), 8, 400) for name in "ab")
    assert first == second
    assert first.path == "validation/data-00003-of-00012.arrow"
    assert (first.rows, first.tokens) == (7, 56)
    written = tmp_path / "a" / first.path
    assert (written.stat().st_size, sha256_of(written)) == (first.bytes, first.sha256)
    assert pa.ipc.open_stream(written.read_bytes()).read_all().schema == schema(8, 400)


def test_an_id_beyond_the_vocabulary_is_refused_rather_than_cut_to_16_bits():
    with pytest.raises(RunError, match="gave id 299, but has 299 entries"):
        shard_bytes(rows(50), 8, 299)


def test_the_fingerprint_is_of_the_content():
    states = []
    for digest in ("1" * 64, "2" * 64):
        shard = type("S", (), {"sha256": digest, "path": "train/x.arrow"})()
        states.append(json.loads(dataset_files("train", [shard], 8, 300)["train/state.json"])["_fingerprint"])
    assert len(set(states)) == 2
    assert all(len(state) == 16 for state in states)


def test_a_write_that_fails_leaves_nothing_and_names_the_file(tmp_path):
    limit, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
        with pytest.raises(OSError, match=r"x\.arrow"):
            write_whole(tmp_path / "x.arrow", bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []
