"""Read the index of a multistream dump, and plan runs of its streams."""

import bz2
import contextlib
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, BinaryIO, NamedTuple
from xml.sax.saxutils import unescape

from pipeline.storage import AGAIN, File, open_file
from wikilm.errors import RunError

BOTH_AGAIN = "download both again"
ENTITIES = {"&quot;": '"', "&#039;": "'"}
_NAME = re.compile(r"(.*-multistream)([0-9]*)\.xml(-p[0-9]+p[0-9]+)?\.bz2", re.DOTALL)


class Line(NamedTuple):
    """One page as the index has it."""

    offset: int  # where its bz2 stream starts in the dump
    page_id: int
    title: str


@dataclass(frozen=True)
class Run:
    """Whole streams one after the other. The digest stands for what the index says of them, however many pages."""

    start: int
    end: int
    digest: str


def index_name(dump: str) -> str | None:
    """Return the path of the index that belongs to a dump's path; None where that names no multistream dump."""
    match = _NAME.fullmatch(dump)
    return f"{match[1]}-index{match[2]}.txt{match[3] or ''}.bz2" if match else None


def read_index(file: File) -> Iterator[Line]:
    """Yield the lines of an index, in order.

    Raises:
        RunError: it is missing, cut or damaged, or a line is not `offset:page id:title`; names file and line.
    """
    number, path = 0, file.url
    with open_file(file) as stored, _lines(stored, path) as lines:
        try:
            for line in lines:
                number += 1
                offset, page_id, title = line.decode().rstrip("\n").split(":", 2)
                # As it stands in the dump's XML, with its entities.
                yield Line(_natural(offset), _natural(page_id), unescape(title, ENTITIES))
        except (OSError, EOFError) as error:
            raise RunError(f"{path}: not a whole bz2 file: {error}; {AGAIN}") from None
        except ValueError:
            raise RunError(f"{path}: line {number} is not 'offset:page id:title'; {AGAIN}") from None


def plan_runs(index: File, dump: File, unit_bytes: int) -> list[Run]:
    """Plan runs of whole streams of up to `unit_bytes` stored bytes, at least one stream each.

    The last run ends with the dump, and so holds its footer, which no line of the index names.

    Raises:
        RunError: the index is damaged, names no page, or does not fit a dump of that size.
    """
    runs: list[Run] = []
    start, stop, pages = 0, 0, hashlib.sha256()
    for stream, end, ids in _streams(index, dump):
        if stop and end - start > unit_bytes:
            runs.append(Run(start, stop, pages.hexdigest()))
            stop = 0
        if not stop:
            start, pages = stream, hashlib.sha256()
        stop = end
        _add(pages, stream, ids)
    if not stop:
        raise RunError(f"{index.url}: names no page; {AGAIN}")
    return [*runs, Run(start, stop, pages.hexdigest())]


def check_run(run: Run, pages: Sequence[tuple[int, int | None]], index: File, dump: File) -> None:
    """Compare the pages that were read from a run, as (stream, page id), with the index.

    A page whose id could not be read (None) may be any.

    Raises:
        RunError: they are not those of the index; names the first that differs.
    """
    digest = hashlib.sha256()
    for stream, page_id in pages:
        _add(digest, stream, [page_id or 0])
    if digest.hexdigest() == run.digest:
        return
    lines = (line for line in read_index(index) if run.start <= line.offset < run.end)
    for line, page in zip_longest(lines, pages):
        if line is None or page is None or page[0] != line.offset or page[1] not in (None, line.page_id):
            there = f"page {page[1]} in the stream at byte {page[0]}" if page else "no more pages"
            named = f"page {line.page_id} in the stream at byte {line.offset}" if line else "no more pages"
            raise RunError(
                f"{index.url}: does not fit {dump.url}: it names {named}, where there is {there}; {BOTH_AGAIN}"
            )


def _lines(stored: BinaryIO, path: str) -> Any:
    return bz2.open(stored) if path.endswith(".bz2") else contextlib.nullcontext(stored)


def _streams(index: File, dump: File) -> Iterator[tuple[int, int, list[int]]]:
    """Yield the streams that the index names, as (first byte, byte after the last, page ids)."""
    stream, ids = 0, [0]  # the header's stream, which is not yielded
    for line in read_index(index):
        if line.offset == stream and stream:
            ids.append(line.page_id)
            continue
        if not stream < line.offset < dump.bytes:
            problem = "comes after a later one" if line.offset <= stream else f"is not in its {dump.bytes} bytes"
            raise RunError(f"{index.url}: does not fit {dump.url}: stream offset {line.offset} {problem}; {BOTH_AGAIN}")
        if stream:
            yield stream, line.offset, ids
        stream, ids = line.offset, [line.page_id]
    if stream:
        yield stream, dump.bytes, ids


def _add(digest: Any, stream: int, ids: Iterable[int]) -> None:
    for page_id in ids:
        digest.update(b"%d:%d\n" % (stream, page_id))


def _natural(digits: str) -> int:
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 19):
        raise ValueError(digits)
    return int(digits)
