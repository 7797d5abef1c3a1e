"""Rows of token ids in, files of a shard folder out: each under a temporary name first, synced, then renamed."""

import hashlib
import json
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.chunk import Rows
from pipeline.command import RunError
from pipeline.shard_format import FileEntry, ShardEntry, id_type, schema, shard_name

ROWS_PER_BATCH = 1024  # as `datasets` does: small enough to map one batch, large enough for a short file


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Write a file that is there whole or not at all, even if the machine stops or two workers write the same one.

    Raises:
        OSError: no space, no permission; the temporary file is gone then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a failed write names no file by itself
        raise


def file_entry(path: str, data: bytes) -> FileEntry:
    """What the manifest says of a file with these bytes."""
    return FileEntry(path=path, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def shard_bytes(rows: Rows, chunk_tokens: int, vocab_size: int) -> pa.Buffer:
    """An Arrow IPC stream of the rows, with the columns of `shard_format.schema`; the same bytes for the same rows.

    Raises:
        RunError: an id is not below `vocab_size`, so the tokenizer is not the one that it claims to be.
    """
    if rows.input_ids.size and int(rows.input_ids.max()) >= vocab_size:
        raise RunError(
            f"the tokenizer gave id {int(rows.input_ids.max())}, but has {vocab_size} entries: "
            "make it again with python -m pipeline.tokenizer"
        )
    columns = schema(chunk_tokens, vocab_size)
    flat = rows.input_ids.reshape(-1).astype(id_type(vocab_size).to_pandas_dtype())
    input_ids = pa.FixedSizeListArray.from_arrays(pa.array(flat), type=columns.field("input_ids").type)
    table = pa.table([input_ids, pa.array(rows.page_ids)], schema=columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, columns) as writer:
        # At least one batch: `datasets` cannot cast a column without any.
        for batch in table.to_batches(ROWS_PER_BATCH) or [pa.RecordBatch.from_pylist([], schema=columns)]:
            writer.write_batch(batch)
    return sink.getvalue()


def write_shard(
    folder: Path, split: str, unit: int, units: int, rows: Rows, chunk_tokens: int, vocab_size: int
) -> ShardEntry:
    """Write the shard of one unit and split, also where it has no rows, and say what it is."""
    data = shard_bytes(rows, chunk_tokens, vocab_size)
    name = shard_name(split, unit, units)
    write_whole(folder / name, memoryview(data))
    return ShardEntry(
        path=name,
        bytes=data.size,
        sha256=hashlib.sha256(data).hexdigest(),
        split=split,  # type: ignore[arg-type]
        unit=unit,
        rows=len(rows.input_ids),
        tokens=rows.input_ids.size,
    )


def dataset_files(split: str, shards: Sequence[ShardEntry], chunk_tokens: int, vocab_size: int) -> dict[str, bytes]:
    """The two files that make `datasets.load_from_disk(DIR/split)` work, by path within the folder.

    Their layout is that of `datasets.Dataset.save_to_disk`; written by hand, since it writes a random fingerprint.
    """
    value = {"dtype": str(id_type(vocab_size)), "_type": "Value"}
    features = {
        "input_ids": {"feature": value, "length": chunk_tokens, "_type": "List"},
        "page_id": {"dtype": "int64", "_type": "Value"},
    }
    content = "".join(shard.sha256 for shard in shards)
    state: dict[str, Any] = {
        "_data_files": [{"filename": Path(shard.path).name} for shard in shards],
        "_fingerprint": hashlib.sha256(content.encode()).hexdigest()[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": split,
    }
    info = {"citation": "", "description": "", "features": features, "homepage": "", "license": ""}
    return {f"{split}/state.json": _json(state), f"{split}/dataset_info.json": _json(info)}


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()
