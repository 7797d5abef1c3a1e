"""Plan and read Parquet files with the columns id, title and text, as the hub's `wikimedia/wikipedia` has them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.articles import (
    MAX_ID,
    Article,
    Articles,
    DeadLetter,
    Identities,
    Page,
    Pages,
    Site,
    in_columns,
    page_base,
)
from pipeline.storage import File, open_ranges
from wikilm.errors import RunError
from wikilm.origin import language_of

COLUMNS = ("id", "title", "text")
BATCH_BYTES, MAX_BATCH_ROWS = 4 << 20, 2048  # fewer, and the overhead of each call shows; more, and memory does

BUFFER_BYTES = 4 << 20  # read at once of a column: without, pyarrow holds all of a row group's, which may be gigabytes


@dataclass(frozen=True)
class RowGroups:
    """Row groups `first` to before `last` of one file."""

    file: File
    first: int
    last: int
    stored_bytes: int  # of all columns

    def pages_with_xml(self, site: Site, max_page_bytes: int) -> Iterator[tuple[Page, bytes]]:
        """Yield the rows one by one, each with an empty text, since there is no XML."""
        return ((page, b"") for page in self.pages(site, max_page_bytes))

    def pages(self, site: Site, max_page_bytes: int) -> Iterator[Page]:
        """Yield the rows one by one. One without a usable id, title or text, or with too much of it, is a dead letter.

        Raises:
            RunError: the file is damaged or has changed since it was planned.
        """
        for found in read_columns(self, max_page_bytes):
            yield from found.articles() if isinstance(found, Columns) else found

    def batches(self, site: Site, max_page_bytes: int) -> Iterator[Pages]:
        """Yield the same rows as columns, as they are stored: a row that needs no second look never is an object."""
        for found in read_columns(self, max_page_bytes):
            yield found.as_pages() if isinstance(found, Columns) else in_columns(found)


@dataclass(frozen=True)
class Columns:
    """Rows of one row group, all of them articles: page ids int64 [rows], titles and texts string [rows]."""

    page_ids: NDArray[np.int64]
    titles: Any
    texts: Any
    group: str  # file name and row group
    first: int  # row within it

    def articles(self) -> Iterator[Article]:
        """Yield the rows one by one."""
        texts = zip(self.page_ids.tolist(), self.titles.to_pylist(), self.texts.to_pylist(), strict=True)
        for row, (page_id, title, text) in enumerate(texts, self.first):
            yield Article(page_id, 0, title, text, f"{self.group}, row {row}")

    def as_pages(self) -> Pages:
        """Return the rows as one batch."""
        unknown, positions = np.zeros_like(self.page_ids), np.arange(len(self.page_ids))
        articles = Articles(self.page_ids, unknown, self.titles, positions)
        return Pages(articles, self.texts, len(articles), Identities(self.page_ids, unknown, positions))


def plan(files: Sequence[File], unit_bytes: int) -> list[tuple[RowGroups, ...]]:
    """Plan runs of row groups of about `unit_bytes` stored bytes, at least one group each; they may span small files.

    Raises:
        RunError: a file is no Parquet, is cut, or lacks a column.
    """
    units: list[tuple[RowGroups, ...]] = []
    run: list[RowGroups] = []
    for file in files:
        with open_ranges(file) as stored:
            metadata = _open(stored, file.url).metadata
            sizes = [_stored(metadata.row_group(group)) for group in range(metadata.num_row_groups)]
        for group, size in enumerate(sizes):
            if run and sum(part.stored_bytes for part in run) + size > unit_bytes:
                units.append(tuple(run))
                run = []
            if run and run[-1].file == file:
                run[-1] = RowGroups(file, run[-1].first, group + 1, run[-1].stored_bytes + size)
            else:
                run.append(RowGroups(file, group, group + 1, size))
    return [*units, tuple(run)] if run else units


def site(files: Sequence[File]) -> Site:
    """Tell whose articles they are, as far as the `url` of each file's first row says (`wikimedia/wikipedia` has it).

    Raises:
        RunError: a file is no Parquet, is damaged, or is of another wiki than the first.
    """
    bases = {file: base for file in files if (base := _base(file))}
    hosts = {urlsplit(base).hostname: file for file, base in reversed(bases.items())}
    if len(hosts) > 1:
        (host, file), (other, first) = list(hosts.items())[:2]
        raise RunError(
            f"{file.url}: is of {host}, but {first.name} of {other}; put each wiki's files into a folder of their own,"
            " and name both with --source"
        )
    base = next(iter(bases.values()), "")
    return Site(language=language_of(base), base=base)


def _base(file: File) -> str:
    """Return the address of the first article of a file, or an empty text."""
    with open_ranges(file) as stored:
        table = _open(stored, file.url)
        if "url" not in table.schema_arrow.names or not table.metadata.num_rows:
            return ""
        try:
            url = next(table.iter_batches(1, columns=["url"])).column(0)[0].as_py()
        except (pa.ArrowException, OSError, ValueError) as error:
            raise RunError(f"{file.url}: damaged: {_line(error)}; download or make it again") from None
    return page_base(url) if isinstance(url, str) else ""


def read_columns(part: RowGroups, max_page_bytes: int) -> Iterator[Columns | list[Page]]:
    """Yield rows, some at a time: as columns where none of them needs a second look, else one by one.

    Raises:
        RunError: the file is damaged or has changed since it was planned.
    """
    name = part.file.name
    with open_ranges(part.file) as file:
        try:
            table = _open(file, part.file.url)
            for group in range(part.first, part.last):
                where, row = f"{name}, row group {group}", 0
                rows = _rows_of(table.metadata.row_group(group))
                for batch in table.iter_batches(rows, row_groups=[group], columns=list(COLUMNS), use_threads=False):
                    columns = [batch.column(column) for column in COLUMNS]
                    found = _ordinary(columns, where, row, max_page_bytes)
                    yield found if found is not None else _one_by_one(columns, where, row, max_page_bytes)
                    row += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise RunError(f"{part.file.url}: damaged, or changed since the run began: {_line(error)}") from None


def _rows_of(group: Any) -> int:
    """Count the rows that make a batch of about `BATCH_BYTES`: few where rows are large, to bound memory."""
    size = sum(group.column(column).total_uncompressed_size for column in range(group.num_columns))
    batches = max(1, round(size / BATCH_BYTES), -(-group.num_rows // MAX_BATCH_ROWS))
    return max(1, -(-group.num_rows // batches))


def _ordinary(columns: Sequence[Any], group: str, first: int, max_page_bytes: int) -> Columns | None:
    """Return the rows as columns if all of them are what `_article` would take as it is; else None."""
    ids, titles, texts = columns
    if any(column.null_count for column in columns):
        return None
    try:
        titles, texts = (_utf8(column) for column in (titles, texts))
        if pa.types.is_integer(ids.type) or pa.types.is_floating(ids.type):  # a float that is no whole number fails
            digits = pc.cast(ids, pa.int64())
        elif pc.all(pc.match_substring_regex(_utf8(ids), "^[0-9]{1,19}$")).as_py():
            digits = pc.cast(_utf8(ids), pa.int64())
        else:
            return None
    except (pa.ArrowInvalid, TypeError):  # not UTF-8, or more than 63 bits; not text
        return None
    page_ids = np.asarray(digits)
    if any((pc.max(pc.binary_length(column)).as_py() or 0) > max_page_bytes for column in (titles, texts)):
        return None
    stripped = pc.all(pc.equal(pc.utf8_trim_whitespace(titles), titles)).as_py()
    if not (stripped and (page_ids >= 0).all() and pc.all(pc.greater(pc.binary_length(titles), 0)).as_py()):
        return None
    return Columns(page_ids, titles, texts, group, first)


def _utf8(column: Any) -> Any:
    """Return a string array of whatever kind of string a file holds.

    Raises:
        ArrowInvalid: it is not UTF-8, or larger than 2 GB.
        TypeError: it is no text.
    """
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise TypeError(kind)
    column = column.cast(pa.string())
    column.validate(full=True)
    return column


def _one_by_one(columns: Sequence[Any], group: str, first: int, max_page_bytes: int) -> list[Page]:
    rows = enumerate(zip(*columns, strict=True), first)
    return [_article(values, f"{group}, row {row}", max_page_bytes) for row, values in rows]


def _article(values: tuple[Any, ...], where: str, max_page_bytes: int) -> Article | DeadLetter:
    page_id: int | None = None
    title = ""
    try:
        page_id = _page_id(values[0].as_py())
        _check_size(values[1], "title", max_page_bytes)
        title = _string(values[1].as_py(), "title").strip()
        if not title:
            raise ValueError("the row has no title")
        _check_size(values[2], "text", max_page_bytes)
        return Article(page_id, 0, title, _string(values[2].as_py(), "text"), where)
    except ValueError as error:  # UnicodeDecodeError is one
        return DeadLetter(page_id, title, where, _line(error))


def _check_size(value: Any, what: str, max_page_bytes: int) -> None:
    if (size := _bytes(value)) > max_page_bytes:
        raise ValueError(f"the {what} has {size} bytes, more than source.max_page_bytes = {max_page_bytes}")


def _page_id(value: object) -> int:
    """Parse an id, which is a string on the hub, a number elsewhere."""
    digits = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 19 and int(digits) <= MAX_ID):
        raise ValueError(f"the id is {digits[:40]!r}, not a whole number of 63 bits, from 0 up")
    return int(digits)


def _bytes(value: Any) -> int:
    """Length of a text's UTF-8 as Arrow holds it, before Python makes anything of it."""
    if not value.is_valid:
        return 0
    return value.as_buffer().size if isinstance(value, pa.BinaryScalar) else len(str(value.as_py()).encode())


def _string(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"the {what} is {type(value).__name__}, not text")
    return value


def _open(file: Any, path: str) -> Any:
    try:
        table = pq.ParquetFile(file, buffer_size=BUFFER_BYTES, page_checksum_verification=True)  # where it has some
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
