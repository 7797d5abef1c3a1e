"""Write the Arrow files of a set of shards, and the files that let `datasets` open the set."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from pipeline.articles import ONLY, Wiki
from pipeline.storage import Place
from pipeline.tokens import Rows
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
        self._path, self._columns = path, columns
        self._waiting: list[pa.RecordBatch] = []  # rows that fill no batch yet
        self._any = False
        self._bytes = _Hashed(file)
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._bytes, mode="w"), columns)

    def append(self, columns: Sequence[Any]) -> None:
        """Write whole batches of `ROWS_PER_BATCH`, and keep the rows that fill none until more come."""
        rows = pa.record_batch(list(columns), schema=self._columns)
        waiting = sum(map(len, self._waiting))
        self.rows += len(rows)
        start = 0
        if waiting and waiting + len(rows) >= ROWS_PER_BATCH:
            start = ROWS_PER_BATCH - waiting
            self._write([*self._waiting, rows.slice(0, start)])
            self._waiting = []
        while start + ROWS_PER_BATCH <= len(rows):
            self._write([rows.slice(start, ROWS_PER_BATCH)])
            start += ROWS_PER_BATCH
        if start < len(rows):
            self._waiting.append(rows.slice(start))

    def append_now(self, columns: Sequence[Any]) -> None:
        """Write rows as a batch of their own: where they are so large that none are to be kept waiting for more."""
        rows = pa.record_batch(list(columns), schema=self._columns)
        self.rows += len(rows)
        self._write([rows])

    def close(self) -> FileEntry:
        """End the stream, and make the manifest's entry for it."""
        if self._waiting or not self._any:  # at least one batch: `datasets` cannot cast a column without any
            self._write(self._waiting)
        self._writer.close()
        return FileEntry(path=self._path, bytes=self._bytes.size, sha256=self._bytes.digest.hexdigest())

    def _write(self, parts: Sequence[pa.RecordBatch]) -> None:
        batch = pa.concat_batches(parts) if parts else pa.RecordBatch.from_pylist([], schema=self._columns)
        self._writer.write_batch(batch)
        self._any = True


class ShardFile(ArrowFile):
    """The shard of one unit and split, as its rows come; one without rows is a file, too."""

    def __init__(self, name: str, file: BinaryIO, chunk_tokens: int, vocab_size: int, wiki: Wiki = ONLY) -> None:
        """Begin the shard; arguments as in `wikilm.shards.schema` and `ArrowFile`, and the wiki of all of its rows."""
        columns = schema(chunk_tokens, vocab_size, bool(wiki.name))
        super().__init__(name, file, columns)
        self._type, self._wiki = columns.field("input_ids").type, wiki

    def append_rows(self, rows: Rows) -> None:
        """Append rows, the ids of which fit the vocabulary."""
        flat = pa.array(rows.input_ids.reshape(-1), self._type.value_type)
        ids = pa.FixedSizeListArray.from_arrays(flat, type=self._type)
        self.append([ids, pa.array(rows.page_ids), *wiki_column(self._wiki, len(rows.page_ids))])

    def close_shard(self, split: str, unit: int) -> ShardEntry:
        """End the shard, and make the manifest's entry for it."""
        file = self.close()
        tokens = self.rows * self._type.list_size
        return ShardEntry(**file.model_dump(), split=split, unit=unit, rows=self.rows, tokens=tokens)  # type: ignore[arg-type]


def wiki_column(wiki: Wiki, rows: int) -> list[pa.Array]:
    """Return the column that says of which wiki some rows are; none where there is one wiki."""
    return [pa.repeat(wiki.name, rows)] if wiki.name else []


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


def dataset_files(
    shards: Sequence[ShardEntry], chunk_tokens: int, vocab_size: int, names_wikis: bool = False
) -> dict[str, bytes]:
    """Make the files that let `datasets.load_from_disk` open the folder and each split in it, by path in the folder.

    Their layout is that of `datasets.DatasetDict.save_to_disk`; written by hand, since it writes a random fingerprint.
    Both splits are always there: one without rows is a dataset without rows.
    """
    files = {DATASET_DICT: (json.dumps({"splits": SPLITS}) + "\n").encode()}
    for split in SPLITS:
        of_split = [shard for shard in shards if shard.split == split]
        files |= _split_files(split, of_split, _features(chunk_tokens, vocab_size, names_wikis))
    return files


def _features(chunk_tokens: int, vocab_size: int, names_wikis: bool) -> dict[str, Any]:
    value = {"dtype": str(id_type(vocab_size)), "_type": "Value"}
    return {
        "input_ids": {"feature": value, "length": chunk_tokens, "_type": "List"},
        "page_id": {"dtype": "int64", "_type": "Value"},
        **({"wiki": {"dtype": "string", "_type": "Value"}} if names_wikis else {}),
    }


def _split_files(split: str, shards: Sequence[ShardEntry], features: dict[str, Any]) -> dict[str, bytes]:
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
