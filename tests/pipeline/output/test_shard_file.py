"""A shard file holds its rows as `datasets` reads them, and its bytes are the same for the same rows."""

import hashlib
import io
import json
from itertools import pairwise
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.output.shard_file import ROWS_PER_BATCH, ArrowFile, ShardFile, dataset_files
from pipeline.storage.place import Place
from pipeline.tokens.rows import Rows
from wikilm.files import sha256_of
from wikilm.shards.format import articles_schema, schema, shard_name
from wikilm.shards.manifest import ShardEntry


def rows(count: int, width: int = 8, top: int = 300) -> Rows:
    ids = (np.arange(count * width, dtype=np.uint32) % top).reshape(count, width)
    return Rows(ids, np.arange(count, dtype=np.int64) * 10, ids.size)


def write_shard(folder: Path, split: str, unit: int, parts: list[Rows], vocab_size: int, units: int = 12) -> ShardEntry:
    name = shard_name(split, unit, units)
    with Place(str(folder)).create(name) as file:
        shard = ShardFile(name, file, 8, vocab_size)
        for part in parts:
            shard.append_rows(part)
        return shard.close_shard(split, unit)


def at_once(some: Rows, vocab_size: int) -> bytes:
    """What pyarrow writes of a whole table of the rows."""
    columns = schema(8, vocab_size)
    flat = some.input_ids.reshape(-1).astype(columns.field(0).type.value_type.to_pandas_dtype())
    ids = pa.FixedSizeListArray.from_arrays(pa.array(flat), type=columns.field(0).type)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, columns) as writer:
        table = pa.table([ids, pa.array(some.page_ids)], schema=columns)
        for batch in table.to_batches(ROWS_PER_BATCH) or [pa.RecordBatch.from_pylist([], schema=columns)]:
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.integers(0, 3000),
    st.lists(st.integers(0, 3000), max_size=6),
    st.sampled_from([400, 70000]),
)
def test_a_shard_is_the_same_bytes_however_its_rows_come(tmp_path, count, cuts, vocab_size):
    some, edges = rows(count), sorted({0, count, *(cut for cut in cuts if cut < count)})
    parts = [Rows(some.input_ids[a:b], some.page_ids[a:b], 8 * (b - a)) for a, b in pairwise(edges)]
    entry = write_shard(tmp_path, "train", 0, parts, vocab_size)
    assert (tmp_path / entry.path).read_bytes() == at_once(some, vocab_size)
    assert (entry.rows, entry.tokens, entry.sha256) == (count, 8 * count, sha256_of(tmp_path / entry.path))


@given(st.lists(st.tuples(st.integers(1, 2**63 - 1), st.text(max_size=20)), max_size=30), st.integers(0, 30))
def test_a_table_of_articles_is_the_same_bytes_however_they_come_and_reads_back(articles, at):
    def written(parts):
        sink = io.BytesIO()
        table = ArrowFile("articles/x.arrow", sink, articles_schema())
        for part in parts:
            ids = pa.array([number for number, _ in part], pa.int64())
            table.append([ids, ids, pa.array([title for _, title in part], pa.string()), ids])
        return table.close(), sink.getvalue()

    assert written([articles]) == written([articles[:at], [], articles[at:]])
    entry, data = written([articles])
    assert (entry.bytes, entry.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    back = pa.ipc.open_stream(data).read_all()
    assert back.schema == articles_schema()
    assert list(zip(*(back[name].to_pylist() for name in ("page_id", "title")), strict=True)) == articles


@pytest.mark.parametrize(("vocab_size", "dtype"), [(65536, "uint16"), (65537, "uint32")])
@pytest.mark.parametrize("counts", [(3, 2500), (0, 0), (5, 0)])
def test_load_from_disk_maps_the_shards_with_their_types_also_empty_ones(tmp_path, vocab_size, dtype, counts):
    made = [rows(count) for count in counts]
    entries = [write_shard(tmp_path, "train", unit, [some], vocab_size) for unit, some in enumerate(made)]
    entries.append(write_shard(tmp_path, "validation", 0, [rows(0)], vocab_size))
    for path, data in dataset_files(entries, 8, vocab_size).items():
        Place(str(tmp_path)).write(path, data)
    both = datasets.load_from_disk(str(tmp_path))
    assert both.num_rows == {"train": sum(counts), "validation": 0}
    loaded = datasets.load_from_disk(str(tmp_path / "train"))
    assert both["train"]["input_ids"][:] == loaded["input_ids"][:]
    assert both["train"].features == both["validation"].features == loaded.features
    assert loaded.features["input_ids"].length == 8
    assert loaded.features["input_ids"].feature.dtype == dtype
    assert loaded.features["page_id"].dtype == "int64"
    assert sorted(file["filename"].split("/")[-1] for file in loaded.cache_files) == [e.path[6:] for e in entries[:-1]]
    assert loaded["input_ids"][:] == [row for some in made for row in some.input_ids.tolist()]


def test_a_shard_is_the_same_bytes_again_and_says_what_it_is(tmp_path):
    first, second = (write_shard(tmp_path / name, "validation", 3, [rows(7)], 400) for name in "ab")
    assert first == second
    assert first.path == "validation/data-00003-of-00012.arrow"
    assert (first.rows, first.tokens) == (7, 56)
    written = tmp_path / "a" / first.path
    assert (written.stat().st_size, sha256_of(written)) == (first.bytes, first.sha256)
    assert pa.ipc.open_stream(written.read_bytes()).read_all().schema == schema(8, 400)


def test_the_fingerprint_is_of_the_content():
    states = []
    for digest in ("1" * 64, "2" * 64):
        shard = type("S", (), {"sha256": digest, "path": "train/x.arrow", "split": "train"})()
        states.append(json.loads(dataset_files([shard], 8, 300)["train/state.json"])["_fingerprint"])
    assert len(set(states)) == 2
    assert all(len(state) == 16 for state in states)
