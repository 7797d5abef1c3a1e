"""Plan and read Parquet files, such as those of the hub's `wikimedia/wikipedia`: a row is an article."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.articles import (
    Article,
    Articles,
    Identities,
    Page,
    Pages,
    Site,
    in_columns,
    page_base,
)
from pipeline.source.dump_streams import misnamed
from pipeline.source.rows import (
    INEXACT_FROM,
    ColumnNames,
    article,
    check_exact,
    check_size,
    find_columns,
    one_site,
    revision_of,
    runs,
    timestamp_of,
)
from pipeline.storage import AGAIN, File, open_ranges
from wikilm.errors import RunError

BATCH_BYTES, MAX_BATCH_ROWS = 4 << 20, 2048  # fewer, and the overhead of each call shows; more, and memory does

BUFFER_BYTES = 4 << 20  # read at once of a column: without, pyarrow holds all of a row group's, which may be gigabytes


@dataclass(frozen=True)
class RowGroups:
    """Row groups `first` to before `last` of one file."""

    file: File
    first: int
    last: int
    stored_bytes: int  # of all columns
    columns: ColumnNames

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

    def template_redirects(self, site: Site) -> Iterator[tuple[str, str]]:
        """Yield nothing: these files hold articles alone."""
        return iter(())


@dataclass(frozen=True)
class Columns:
    """Rows of one row group, all of them articles.

    Attributes:
        page_ids: int64 [rows].
        revision_ids: int64 [rows]; 0 where the file does not say.
        timestamps: int64 [rows], as of an article; 0 where the file does not say.
        titles: pyarrow string array [rows].
        texts: pyarrow string array [rows].
    """

    page_ids: NDArray[np.int64]
    revision_ids: NDArray[np.int64]
    timestamps: NDArray[np.int64]
    titles: Any
    texts: Any
    group: str  # file name and row group
    first: int  # row within it

    def articles(self) -> Iterator[Article]:
        """Yield the rows one by one."""
        numbers = zip(self.page_ids.tolist(), self.revision_ids.tolist(), self.timestamps.tolist(), strict=True)
        texts = zip(numbers, self.titles.to_pylist(), self.texts.to_pylist(), strict=True)
        for row, ((page_id, revision_id, timestamp), title, text) in enumerate(texts, self.first):
            yield Article(page_id, revision_id, title, text, f"{self.group}, row {row}", timestamp)

    def as_pages(self) -> Pages:
        """Return the rows as one batch."""
        positions = np.arange(len(self.page_ids))
        articles = Articles(self.page_ids, self.revision_ids, self.titles, positions)
        return Pages(articles, self.texts, len(articles), Identities(self.page_ids, self.timestamps, positions))


def plan(files: Sequence[File], unit_bytes: int, wanted: Mapping[str, str]) -> tuple[Site, list[tuple[RowGroups, ...]]]:
    """Plan runs of row groups of about `unit_bytes` stored bytes, at least one group each; they may span small files.

    Whose articles they are is told as far as the `url` of each file's first row says (`wikimedia/wikipedia` has it).

    Args:
        files: of the source, in order.
        unit_bytes: see above.
        wanted: `source.columns`.

    Raises:
        RunError: a file is no Parquet, is cut or damaged, lacks a column, or is of another wiki than the first.
    """
    groups: list[RowGroups] = []
    bases = {}
    for file in files:
        with open_ranges(file) as stored:
            table = _open(stored, file.url)
            columns = find_columns(table.schema_arrow.names, wanted, file.url)
            bases[file] = _base(table, columns, file.url)
            sizes = [_stored(table.metadata.row_group(group)) for group in range(table.metadata.num_row_groups)]
        groups += (RowGroups(file, group, group + 1, size, columns) for group, size in enumerate(sizes))
    return one_site(bases), [_joined(run) for run in runs(groups, unit_bytes)]


def _joined(run: Sequence[RowGroups]) -> tuple[RowGroups, ...]:
    """Join the row groups of each file, which follow each other, to one part."""
    of_files = (list(some) for _, some in itertools.groupby(run, key=lambda group: group.file))
    return tuple(
        replace(some[0], last=some[-1].last, stored_bytes=sum(group.stored_bytes for group in some))
        for some in of_files
    )


def _base(table: Any, columns: ColumnNames, path: str) -> str:
    """Return the address of the first article of a file, or an empty text."""
    if columns.url is None or not table.metadata.num_rows:
        return ""
    try:
        url = _utf8(next(table.iter_batches(1, columns=[columns.url])).column(columns.url))[0].as_py()
    except TypeError:  # no text, and so no address
        return ""
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RunError(f"{path}: damaged: {_line(error)}; download or make it again") from None
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
                names = part.columns.of_articles
                for batch in table.iter_batches(rows, row_groups=[group], columns=names, use_threads=False):
                    found = _ordinary(batch, part.columns, where, row, max_page_bytes)
                    yield found if found is not None else _one_by_one(batch, part.columns, where, row, max_page_bytes)
                    row += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise RunError(f"{part.file.url}: damaged, or changed since the run began: {_line(error)}") from None


def _rows_of(group: Any) -> int:
    """Count the rows that make a batch of about `BATCH_BYTES`: few where rows are large, to bound memory."""
    size = sum(group.column(column).total_uncompressed_size for column in range(group.num_columns))
    batches = max(1, round(size / BATCH_BYTES), -(-group.num_rows // MAX_BATCH_ROWS))
    return max(1, -(-group.num_rows // batches))


def _ordinary(batch: Any, columns: ColumnNames, group: str, first: int, max_page_bytes: int) -> Columns | None:
    """Return the rows as columns if all of them are what `rows.article` would take as it is; else None."""
    ids, texts = batch.column(columns.id), batch.column(columns.text)
    titles = batch.column(columns.title) if columns.title is not None else pa.array([""] * batch.num_rows, pa.string())
    if any(column.null_count for column in (ids, titles, texts)):
        return None
    try:
        titles, texts = (_utf8(column) for column in (titles, texts))
        if not all(_is_exact(batch.column(name)) for name in (columns.id, columns.revision) if name is not None):
            return None
        if pa.types.is_integer(ids.type) or pa.types.is_floating(ids.type):  # a float that is no whole number fails
            digits = pc.cast(ids, pa.int64())
        elif pc.all(pc.match_substring_regex(_utf8(ids), "^[0-9]{1,19}$")).as_py():
            digits = pc.cast(_utf8(ids), pa.int64())
        else:
            return None
        revisions = [revision_of(value) for value in _values(batch, columns.revision)]
        timestamps = [timestamp_of(value) for value in _values(batch, columns.timestamp)]
    # Not UTF-8, or more than 63 bits; not text; no date, or one that Python does not have.
    except (pa.ArrowInvalid, TypeError, ValueError, OverflowError):
        return None
    page_ids = np.asarray(digits)
    if any((pc.max(pc.binary_length(column)).as_py() or 0) > max_page_bytes for column in (titles, texts)):
        return None
    stripped = pc.all(pc.equal(pc.utf8_trim_whitespace(titles), titles)).as_py()
    has_titles = columns.title is None or pc.all(pc.greater(pc.binary_length(titles), 0)).as_py()
    if not (stripped and has_titles and (page_ids >= 0).all()):
        return None
    revision_ids, moments = (
        np.array(values, np.int64) if values else np.zeros_like(page_ids) for values in (revisions, timestamps)
    )
    return Columns(page_ids, revision_ids, moments, titles, texts, group, first)


def _is_exact(column: Any) -> bool:
    """Return whether none of the numbers of a column may be another whole number, rounded."""
    if not pa.types.is_floating(column.type):
        return True
    largest = pc.max(pc.abs(pc.cast(column, pa.float64()))).as_py()
    return largest is None or largest < INEXACT_FROM[column.type.bit_width]


def _values(batch: Any, column: str | None) -> list[object]:
    """Return the values of a column of small ones, none where there is no such column."""
    return _plain_times(batch.column(column)).to_pylist() if column is not None else []


def _plain_times(column: Any) -> Any:
    """Return a column with its dates and times as Python has them: of UTC, as they are stored, and no nanoseconds."""
    if not pa.types.is_timestamp(column.type):
        return column
    column = column.view(pa.timestamp(column.type.unit))
    return pc.cast(column, pa.timestamp("us"), safe=False) if column.type.unit == "ns" else column


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


def _one_by_one(batch: Any, columns: ColumnNames, group: str, first: int, max_page_bytes: int) -> list[Page]:
    stored = {name: _plain_times(batch.column(name)) for name in columns.of_articles}
    pages: list[Page] = []
    for row in range(batch.num_rows):

        def value_of(name: str, what: str, row: int = row) -> object:
            value = stored[name][row]
            try:
                if what in ("title", "text"):
                    check_size(_bytes(value), what, max_page_bytes)
                if what in ("id", "revision") and pa.types.is_floating(value.type):
                    check_exact(value.as_py(), what, value.type.bit_width)
                return value.as_py()
            except OverflowError:
                raise ValueError(f"the {what} is a time beyond the years 1 to 9999") from None

        pages.append(article(value_of, columns, f"{group}, row {first + row}", max_page_bytes))
    return pages


def _bytes(value: Any) -> int:
    """Length of a text's UTF-8 as Arrow holds it, before Python makes anything of it."""
    if not value.is_valid:
        return 0
    return value.as_buffer().size if isinstance(value, pa.BinaryScalar) else len(str(value.as_py()).encode())


def _open(file: Any, path: str) -> Any:
    try:
        table = pq.ParquetFile(file, buffer_size=BUFFER_BYTES, page_checksum_verification=True)  # where it has some
    except (pa.ArrowException, OSError) as error:
        file.seek(0)
        found = misnamed(file.read(200), "parquet")
        problem = f"is {found}, not what its name says" if found else f"not a whole Parquet file: {_line(error)}"
        raise RunError(f"{path}: {problem}; {AGAIN}") from None
    return table


def _stored(group: Any) -> int:
    return sum(group.column(column).total_compressed_size for column in range(group.num_columns))


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
