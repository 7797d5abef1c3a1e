"""Parquet files with columns id, title and text (the hub's `wikimedia/wikipedia`) in, their articles out."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.article import MAX_ID, Article, DeadLetter
from pipeline.command import RunError, UsageError
from pipeline.files import open_file, size_of

COLUMNS = ("id", "title", "text")
BATCH_ROWS = 64


@dataclass(frozen=True)
class RowGroups:
    """Row groups `first` to before `last` of one file."""

    path: str
    first: int
    last: int
    bytes: int  # as stored, all columns


def files_of(path: str) -> list[str]:
    """The file itself, or all *.parquet in a folder and below it, by name; hidden ones aside.

    Raises:
        UsageError: the folder holds none.
    """
    if not os.path.isdir(path):
        return [path]
    root = Path(path)
    found = sorted(
        file.relative_to(root).as_posix()
        for file in root.rglob("*.parquet")
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(root).parts)
    )
    if not found:
        raise UsageError(f"source.path: {path}: no .parquet file in this folder; name a dump file or another folder")
    return [str(root / name) for name in found]


def plan(files: list[str], unit_bytes: int) -> list[tuple[RowGroups, ...]]:
    """Runs of row groups of about `unit_bytes` stored bytes, at least one group each; they may span small files.

    Raises:
        RunError: a file is no Parquet, is cut, or lacks a column.
    """
    units: list[tuple[RowGroups, ...]] = []
    run: list[RowGroups] = []
    for path in files:
        size_of(path)
        with open_file(path) as file:
            metadata = _open(file, path).metadata
            sizes = [_stored(metadata.row_group(group)) for group in range(metadata.num_row_groups)]
        for group, size in enumerate(sizes):
            if run and sum(part.bytes for part in run) + size > unit_bytes:
                units.append(tuple(run))
                run = []
            if run and run[-1].path == path:
                run[-1] = RowGroups(path, run[-1].first, group + 1, run[-1].bytes + size)
            else:
                run.append(RowGroups(path, group, group + 1, size))
    return [*units, tuple(run)] if run else units


def read(part: RowGroups) -> Iterator[Article | DeadLetter]:
    """The rows of some row groups; a row without a usable id, title or text is a dead letter.

    Raises:
        RunError: the file is damaged or has changed since it was planned.
    """
    name = os.path.basename(part.path)
    with open_file(part.path) as file:
        try:
            table = _open(file, part.path)
            for group in range(part.first, part.last):
                row = 0
                for batch in table.iter_batches(BATCH_ROWS, row_groups=[group], columns=list(COLUMNS)):
                    columns = [batch.column(column) for column in COLUMNS]
                    for values in zip(*columns, strict=True):
                        yield _article(values, f"{name}, row group {group}, row {row}")
                        row += 1
        except (pa.ArrowException, OSError) as error:
            raise RunError(f"{part.path}: damaged, or changed since the run began: {_line(error)}") from None


def _article(values: tuple[Any, ...], where: str) -> Article | DeadLetter:
    page_id: int | None = None
    title = ""
    try:
        page_id = _page_id(values[0].as_py())
        title = _string(values[1].as_py(), "title").strip()
        if not title:
            raise ValueError("the row has no title")
        return Article(page_id, 0, title, _string(values[2].as_py(), "text"), where)
    except ValueError as error:  # UnicodeDecodeError is one
        return DeadLetter(page_id, title, where, _line(error))


def _page_id(value: object) -> int:
    """Ids are strings on the hub, numbers elsewhere."""
    digits = str(value)
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 19 and 0 < int(digits) <= MAX_ID):
        raise ValueError(f"the id is {digits[:40]!r}, not a positive number of 63 bits")
    return int(digits)


def _string(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"the {what} is {type(value).__name__}, not text")
    return value


def _open(file: Any, path: str) -> Any:
    try:
        table = pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise RunError(f"{path}: not a whole Parquet file: {_line(error)}; download or make it again") from None
    names = table.schema_arrow.names
    for column in COLUMNS:
        if names.count(column) != 1:
            raise RunError(f"{path}: needs one column '{column}'; its columns are {', '.join(names) or 'none'}")
    return table


def _stored(group: Any) -> int:
    return sum(group.column(column).total_compressed_size for column in range(group.num_columns))


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
