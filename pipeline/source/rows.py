"""Say which columns of a table hold its articles, and check the values of a row: Parquet and JSON lines alike."""

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from pipeline.articles import MAX_ID, Article, DeadLetter, Site
from pipeline.storage import File
from wikilm.errors import RunError
from wikilm.origin import language_of
from wikilm.terminal import visible

# From here on a float of so many bits stands for several whole numbers. Source: IEEE 754, the digits of its formats.
INEXACT_FROM = {16: 2**11, 32: 2**24, 64: 2**53}
NEEDED, BY_DEFAULT = ("id", "text"), ("id", "text", "title", "url")
ValueOf = Callable[[str, str], object]
SHOWN_COLUMNS, SHOWN_CHARACTERS = 20, 40  # of a table with very many, or with long names


class Stored(Protocol):
    """A part of a file."""

    @property
    def stored_bytes(self) -> int:
        """Its size as it is stored."""


P = TypeVar("P", bound=Stored)


@dataclass(frozen=True)
class ColumnNames:
    """What the columns of one file are called; None: it has no such column, or it is not asked for.

    Without `title` the title of its articles is empty, without `revision` or `timestamp` that is 0.
    """

    id: str
    text: str
    title: str | None = None
    url: str | None = None
    revision: str | None = None
    timestamp: str | None = None

    @property
    def of_articles(self) -> list[str]:
        """Return the names of those that are read for every article."""
        names = (self.id, self.title, self.text, self.revision, self.timestamp)
        return list(dict.fromkeys(name for name in names if name is not None))


def find_columns(there: Sequence[str], wanted: Mapping[str, str], path: str) -> ColumnNames:
    """Find the columns of a file.

    Args:
        there: the names of all its columns.
        wanted: `source.columns`, what a column holds -> its name. Those that are named must be there.
        path: of the file, for errors.

    Raises:
        RunError: one is missing, or there twice.
    """
    found = {}
    for what in ColumnNames.__dataclass_fields__:
        name, count = wanted.get(what, what), there.count(wanted.get(what, what))
        if count == 1 and (what in wanted or what in BY_DEFAULT):
            found[what] = name
        elif what in wanted or what in NEEDED or (count > 1 and what in BY_DEFAULT):
            raise RunError(
                f"{path}: needs one column {_shown(name)!r}; its columns are {_all(there)}; "
                f"--columns {what}=NAME says which one holds the {what}"
            )
    return ColumnNames(**found)


def one_site(bases: Mapping[File, str]) -> Site:
    """Tell whose articles they are, by an address of one of them in each file; '' where a file says none.

    Raises:
        RunError: they are of several wikis.
    """
    known = {file: base for file, base in bases.items() if base}
    hosts = {urlsplit(base).hostname: file for file, base in reversed(known.items())}
    if len(hosts) > 1:
        (host, file), (other, first) = list(hosts.items())[:2]
        raise RunError(
            f"{file.url}: is of {host}, but {first.name} of {other}; put each wiki's files into a folder of "
            "their own, and name both with --source"
        )
    base = next(iter(known.values()), "")
    return Site(language=language_of(base), base=base)


def runs(parts: Iterable[P], unit_bytes: int) -> list[tuple[P, ...]]:
    """Put parts together to units of about `unit_bytes` stored bytes, at least one part each; they may span files."""
    units: list[tuple[P, ...]] = []
    run: list[P] = []
    size = 0
    for part in parts:
        if run and size + part.stored_bytes > unit_bytes:
            units.append(tuple(run))
            run, size = [], 0
        run.append(part)
        size += part.stored_bytes
    return [*units, tuple(run)] if run else units


def article(value_of: ValueOf, columns: ColumnNames, where: str, max_page_bytes: int) -> Article | DeadLetter:
    """Make an article of a row, or a dead letter where it has no usable id, title, text, revision or timestamp.

    Args:
        value_of: name of a column, and what it holds -> the value in this row, None for none; may raise ValueError.
        columns: what they are called.
        where: place of the row.
        max_page_bytes: of its title and of its text.
    """
    page_id, title = None, ""
    try:
        page_id = page_id_of(value_of(columns.id, "id"))
        if columns.title is not None:
            title = text_of(value_of(columns.title, "title"), "title", max_page_bytes).strip()
            if not title:
                raise ValueError("the row has no title")
        text = text_of(value_of(columns.text, "text"), "text", max_page_bytes)
        revision = revision_of(value_of(columns.revision, "revision")) if columns.revision is not None else 0
        timestamp = timestamp_of(value_of(columns.timestamp, "timestamp")) if columns.timestamp is not None else 0
        return Article(page_id, revision, title, text, where, timestamp)
    except ValueError as error:  # UnicodeDecodeError is one
        return DeadLetter(page_id, title, where, " ".join(str(error).split()))


def page_id_of(value: object, what: str = "id") -> int:
    """Parse an id, which is a string on the hub, a number elsewhere."""
    if value is None:
        raise ValueError(f"the row has no {what}")
    if isinstance(value, float) and value.is_integer():
        check_exact(value, what, 64)
        value = int(value) if abs(value) <= MAX_ID else value
    digits = str(value)
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 19 and int(digits) <= MAX_ID):
        raise ValueError(f"the {what} is {digits[:40]!r}, not a whole number of 63 bits, from 0 up")
    return int(digits)


def check_exact(value: object, what: str, bits: int) -> None:
    """Refuse a float of so many bits that may be another whole number, rounded."""
    if isinstance(value, float) and value.is_integer() and INEXACT_FROM[bits] <= abs(value) <= MAX_ID:
        raise ValueError(f"the {what} is {value:.17g}, which a float of {bits} bits cannot tell from others next to it")


def revision_of(value: object) -> int:
    """Parse the id of a revision; 0 for none."""
    return 0 if value is None else page_id_of(value, "revision")


def timestamp_of(value: object) -> int:
    """Parse a date and time into 20240131235959, of UTC; 0 for none.

    A text is of ISO 8601; what names no time zone is UTC.
    """
    if value is None:
        return 0
    try:
        moment = datetime.datetime.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(moment, datetime.date):
            raise ValueError
        if isinstance(moment, datetime.datetime) and moment.tzinfo is not None:
            moment = moment.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        shown = str(value)[:SHOWN_CHARACTERS]
        raise ValueError(f"the timestamp is {shown!r}, no date and time such as 2024-01-31T23:59:59Z") from None
    return int(f"{moment.year:04}{moment:%m%d%H%M%S}")


def text_of(value: object, what: str, max_page_bytes: int) -> str:
    """Return a text that is not too large."""
    if value is None:
        raise ValueError(f"the row has no {what}")
    if not isinstance(value, str):
        raise ValueError(f"the {what} is {type(value).__name__}, not text")
    check_size(len(value.encode()) if len(value) * 4 > max_page_bytes else 0, what, max_page_bytes)
    return value


def check_size(size: int, what: str, max_page_bytes: int) -> None:
    """Refuse a text that is too large."""
    if size > max_page_bytes:
        raise ValueError(f"the {what} has {size} bytes, more than source.max_page_bytes = {max_page_bytes}")


def _all(names: Sequence[str]) -> str:
    shown = ", ".join(map(_shown, names[:SHOWN_COLUMNS])) or "none"
    return shown + (f" and {len(names) - SHOWN_COLUMNS} more" if len(names) > SHOWN_COLUMNS else "")


def _shown(name: str) -> str:
    return visible(name if len(name) <= SHOWN_CHARACTERS else f"{name[:SHOWN_CHARACTERS]}…")
