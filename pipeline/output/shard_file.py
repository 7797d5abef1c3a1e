"""Write the Arrow files of a set of shards, and the files that let `datasets` open the set."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.storage import Place
from pipeline.tokens import Rows
from wikilm.errors import RunError
from wikilm.shards.format import DATASET_DICT, SPLITS, id_type, schema
from wikilm.shards.manifest import FileEntry, ShardEntry

ROWS_PER_BATCH = 1024  # as `datasets` does: small enough to map one batch, large enough for a short file


def file_entry(path: str, data: bytes) -> FileEntry:
    """Make the manifest's entry for a file with these bytes."""
    return FileEntry(path=path, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def write_lines(work: Place, path: str, lines: Iterable[str]) -> FileEntry:
    """Write a text file line by line, of any size, and make the manifest's entry for it."""
    with work.create(path) as file:
        hashed = _Hashed(file)
        for line in lines:
            hashed.write(line.encode())
    return FileEntry(path=path, bytes=hashed.size, sha256=hashed.digest.hexdigest())


def check_ids(ids: NDArray[np.uint32], vocab_size: int) -> None:
    """Check ids before they are made smaller numbers.

    Raises:
        RunError: one is not below `vocab_size`, so the tokenizer is not the one that it claims to be.
    """
    if ids.size and int(ids.max()) >= vocab_size:
        raise RunError(
            f"the tokenizer gave id {int(ids.max())}, but has {vocab_size} entries: "
            "make it again with python -m pipeline.tokenizer"
        )


class ArrowFile:
    """An Arrow IPC stream that is written as its rows come: the same bytes for the same rows, however they come.

    Attributes:
        rows: how many were appended.
    """

    def __init__(self, path: str, file: BinaryIO, columns: pa.Schema) -> None:
        """Begin the stream.

        Args:
            path: how the manifest is to call it.
            file: where it goes, from `Place.create`.
            columns: the schema of all that will be appended.
        """
        self.rows = 0
        self._path, self._rest, self._any = path, columns.empty_table(), False
        self._bytes = _Hashed(file)
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._bytes, mode="w"), columns)

    def append(self, columns: Sequence[Any]) -> None:
        """Write whole batches of `ROWS_PER_BATCH`, and keep the rows that fill none until more come."""
        table = pa.concat_tables([self._rest, pa.table(list(columns), schema=self._rest.schema)]).combine_chunks()
        self.rows += table.num_rows - self._rest.num_rows
        whole = table.num_rows // ROWS_PER_BATCH * ROWS_PER_BATCH
        self._write(table.slice(0, whole))
        self._rest = table.slice(whole)

    def append_now(self, columns: Sequence[Any]) -> None:
        """Write rows as a batch of their own: where they are so large that none are to be kept waiting for more."""
        table = pa.table(list(columns), schema=self._rest.schema)
        self.rows += table.num_rows
        self._write(table)

    def close(self) -> FileEntry:
        """End the stream, and make the manifest's entry for it."""
        self._write(self._rest)
        if not self._any:  # at least one batch: `datasets` cannot cast a column without any
            self._writer.write_batch(pa.RecordBatch.from_pylist([], schema=self._rest.schema))
        self._writer.close()
        return FileEntry(path=self._path, bytes=self._bytes.size, sha256=self._bytes.digest.hexdigest())

    def _write(self, table: pa.Table) -> None:
        for batch in table.to_batches(ROWS_PER_BATCH):
            self._writer.write_batch(batch)
            self._any = True


class ShardFile(ArrowFile):
    """The shard of one unit and split, as its rows come; one without rows is a file, too."""

    def __init__(self, name: str, file: BinaryIO, chunk_tokens: int, vocab_size: int) -> None:
        """Begin the shard; arguments as in `wikilm.shards.schema` and `ArrowFile`."""
        columns = schema(chunk_tokens, vocab_size)
        super().__init__(name, file, columns)
        self._vocab_size, self._type = vocab_size, columns.field("input_ids").type

    def append_rows(self, rows: Rows) -> None:
        """Append rows.

        Raises:
            RunError: see `check_ids`.
        """
        check_ids(rows.input_ids, self._vocab_size)
        flat = rows.input_ids.reshape(-1).astype(id_type(self._vocab_size).to_pandas_dtype())
        self.append([pa.FixedSizeListArray.from_arrays(pa.array(flat), type=self._type), pa.array(rows.page_ids)])

    def close_shard(self, split: str, unit: int) -> ShardEntry:
        """End the shard, and make the manifest's entry for it."""
        file = self.close()
        tokens = self.rows * self._type.list_size
        return ShardEntry(**file.model_dump(), split=split, unit=unit, rows=self.rows, tokens=tokens)  # type: ignore[arg-type]


class _Hashed:
    """A file that knows the size and sha256 of what was written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self.size, self.digest, self.closed = 0, hashlib.sha256(), False
        self._file = file

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self.size += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        """Arrow flushes what it closes; `Place.create` does the rest."""


def dataset_files(shards: Sequence[ShardEntry], chunk_tokens: int, vocab_size: int) -> dict[str, bytes]:
    """Make the files that let `datasets.load_from_disk` open the folder and each split in it, by path in the folder.

    Their layout is that of `datasets.DatasetDict.save_to_disk`; written by hand, since it writes a random fingerprint.
    Both splits are always there: one without rows is a dataset without rows.
    """
    files = {DATASET_DICT: (json.dumps({"splits": SPLITS}) + "\n").encode()}
    for split in SPLITS:
        files |= _split_files(split, [shard for shard in shards if shard.split == split], chunk_tokens, vocab_size)
    return files


def _split_files(split: str, shards: Sequence[ShardEntry], chunk_tokens: int, vocab_size: int) -> dict[str, bytes]:
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
