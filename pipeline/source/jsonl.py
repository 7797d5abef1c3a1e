"""Plan and read files of JSON lines, plain or compressed: each line is an object, and that an article."""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson

from pipeline.articles import DeadLetter, Page, Pages, Site, gather, page_base
from pipeline.source.dump_streams import READ_BYTES, check_kind, misnamed, pieces
from pipeline.source.rows import BY_DEFAULT, ColumnNames, article, find_columns, one_site, runs
from pipeline.storage import AGAIN, File, open_file
from wikilm.errors import RunError
from wikilm.terminal import visible

PLAIN = "jsonl"  # the kind of a file that can be read from any line on
HEAD_BYTES = 1 << 20  # of a file's text, looked at for its columns
HEAD_LINES, MAX_HEAD_BYTES = 100, 32 << 20  # and of a first line that is longer
KEPT_BYTES = 2000  # of a line that is too large
# Three times the text: an escape such as \u0416 takes six bytes for two.
LINE_FACTOR, OTHER_BYTES = 3, 1 << 20
_BOM = b"\xef\xbb\xbf"
_JSON_NAMES = {list: "an array", str: "text", int: "a number", float: "a number", bool: "true or false"}


class NotWholeError(ValueError):
    """The last line of a file is no JSON, and no line feed ends it: most likely the rest is missing."""


@dataclass(frozen=True)
class Line:
    """A line of text without its end.

    Attributes:
        offset: where it starts, in the text of the file.
        data: its bytes; only some from its start where it is larger than what is wanted.
        size: how many bytes it has.
        is_ended: whether a line feed follows.
    """

    offset: int
    data: bytes
    size: int
    is_ended: bool = True


@dataclass(frozen=True)
class Lines:
    """The lines that start at byte `start` to before `end` of a plain file; or all lines of a compressed one."""

    file: File
    kind: str  # as in `SourceEntry.kind`
    start: int
    end: int
    columns: ColumnNames

    @property
    def stored_bytes(self) -> int:
        """Size of the part as it is stored."""
        return self.end - self.start

    def pages(self, site: Site, max_page_bytes: int) -> Iterator[Page]:
        """Yield the lines as pages. One that is no JSON object, or has no usable id or text, is a dead letter.

        Raises:
            RunError: the file is cut or damaged.
        """
        return (page for page, _ in self.pages_with_xml(site, max_page_bytes))

    def pages_with_xml(self, site: Site, max_page_bytes: int) -> Iterator[tuple[Page, bytes]]:
        """Yield the same pages, each with its line."""
        limit = LINE_FACTOR * max_page_bytes + OTHER_BYTES
        for line in self._lines(limit):
            if line.data.isspace() or not line.data:
                continue
            where = f"{self.file.name}, line at byte {line.offset}" + (" of its text" if self.kind != PLAIN else "")
            try:
                if line.size > limit:
                    raise ValueError(
                        f"the line has {line.size} bytes, far more than source.max_page_bytes = {max_page_bytes}"
                    )
                row = parse(line)
                check_names(line.data, self.columns.of_articles)
                yield article(_values(row), self.columns, where, max_page_bytes), line.data
            except NotWholeError as error:
                raise RunError(
                    f"{self.file.url}: is cut: its last line, at byte {line.offset}, is not whole: {error}; {AGAIN}"
                ) from None
            except ValueError as error:
                yield DeadLetter(None, "", where, str(error)), line.data

    def batches(self, site: Site, max_page_bytes: int) -> Iterator[Pages]:
        """Yield the same pages, some at a time, articles column by column."""
        return gather(self.pages(site, max_page_bytes))

    def template_redirects(self, site: Site) -> Iterator[tuple[str, str]]:
        """Yield nothing: these files hold articles alone."""
        return iter(())

    def _lines(self, limit: int) -> Iterator[Line]:
        if self.kind != PLAIN:
            with open_file(self.file) as stored:
                text = (piece for _, piece in pieces(stored, self.file.url, self.kind, 0, self.end))
                yield from split_lines(text, 0, limit)
            return
        # A line starts after a line feed: with the byte before, one that starts right here is seen to.
        before = max(0, self.start - 1)
        yield from split_lines(self._text(before), before, limit, self.end, is_inside=self.start > 0)

    def _text(self, start: int) -> Iterator[bytes]:
        """Yield the bytes of a plain file up to `end`; then, if they are asked for, those after it."""
        with open_file(self.file, self.end) as stored:
            yield from (piece for _, piece in pieces(stored, self.file.url, self.kind, start, self.end))
        if self.end < self.file.bytes:  # in small blocks, as only the end of one line is wanted of a server
            with open_file(self.file, None, READ_BYTES) as stored:
                yield from (piece for _, piece in pieces(stored, self.file.url, self.kind, self.end, self.file.bytes))


def plan(
    files: Sequence[tuple[File, str]], unit_bytes: int, wanted: Mapping[str, str]
) -> tuple[Site, list[tuple[Lines, ...]]]:
    """Plan runs of about `unit_bytes` stored bytes: parts of plain files, whole compressed ones; small files share one.

    Args:
        files: of the source, in order, each with its kind.
        unit_bytes: see above.
        wanted: `source.columns`.

    Raises:
        RunError: a file holds no JSON lines, is damaged at its start, lacks a column, or is of another wiki.
    """
    parts: list[Lines] = []
    bases = {}
    for file, kind in files:
        rows = _head(file, kind)
        names = list(dict.fromkeys(name for row in rows for name in row))
        columns = find_columns(names, wanted, file.url)
        url = rows[0].get(columns.url) if columns.url is not None else None
        bases[file] = page_base(url) if isinstance(url, str) else ""
        step = unit_bytes if kind == PLAIN else file.bytes
        for start in range(0, file.bytes, step):
            parts.append(Lines(file, kind, start, min(start + step, file.bytes), columns))
    return one_site(bases), runs(parts, unit_bytes)


def split_lines(
    text: Iterator[bytes], offset: int, limit: int, end: int | None = None, *, is_inside: bool = False
) -> Iterator[Line]:
    """Split text into lines, in bounded memory: of one of more than `limit` bytes only the start is kept.

    Args:
        text: pieces, one of which ends at `end`.
        offset: of the first piece.
        limit: bytes.
        end: lines that start here or later are not wanted, and no text after the last one that is.
        is_inside: the text starts inside a line, which is not wanted.
    """
    held: list[bytes] = []
    size = 0
    for piece in text:
        if is_inside:
            skipped = piece.find(b"\n") + 1
            offset += skipped or len(piece)
            is_inside = not skipped
            if end is not None and offset >= end:
                return
            if is_inside:
                continue
            piece = piece[skipped:]
        *whole, rest = piece.split(b"\n")
        for part in whole:
            size += len(part)
            yield Line(offset, b"".join([*held, part]), size)
            offset, held, size = offset + size + 1, [], 0
            if end is not None and offset >= end:
                return
        held.append(rest)
        size += len(rest)
        if size > limit:
            held = [b"".join(held)[:KEPT_BYTES]]
    if size:
        yield Line(offset, b"".join(held), size, is_ended=False)


def parse(line: Line) -> dict[str, object]:
    """Parse a line.

    Raises:
        NotWholeError: it is no JSON, and nothing ends it.
        ValueError: it is no JSON object of RFC 8259 in UTF-8; says why.
    """
    data = line.data.removeprefix(_BOM) if line.offset == 0 else line.data
    try:
        row = orjson.loads(data)
    except orjson.JSONDecodeError as error:  # which counts lines, too, and this is one
        kind = ValueError if line.is_ended else NotWholeError
        raise kind(f"the line is no JSON: {error.msg} at character {error.colno}") from None
    if not isinstance(row, dict):
        raise ValueError(f"the line is no JSON object but {_JSON_NAMES.get(type(row), 'null')}")
    return row


def check_names(data: bytes, names: Sequence[str]) -> None:
    """Refuse a line, sound JSON, in which one of these names has two values: parsers take the last and say nothing.

    Raises:
        ValueError: names it.
    """
    if all(data.count(b'"%b"' % name.encode()) < 2 for name in names):  # nearly all lines end here, which costs little
        return
    pairs: list[list[tuple[str, object]]] = []  # of each object, the outermost last
    try:
        json.loads(data.decode("utf-8-sig"), object_pairs_hook=pairs.append)
    except RecursionError:
        raise ValueError("the line has a name twice, or is nested too deeply to tell") from None
    counts = Counter(name for name, _ in pairs[-1])
    if twice := [name for name in names if counts[name] > 1]:
        raise ValueError(f"the line has {visible(twice[0])!r} twice")


def _values(row: Mapping[str, object]) -> Callable[[str, str], object]:
    return lambda name, _: row.get(name)


def _head(file: File, kind: str) -> list[dict[str, object]]:
    """Return the objects in the first lines of a file, at least one.

    Raises:
        RunError: there is none, or it is another kind of file.
    """
    check_kind(file, kind)
    text, size = [], 0
    with open_file(file, None, READ_BYTES) as stored:
        for _, piece in pieces(stored, file.url, kind, 0, file.bytes):
            text.append(piece)
            size += len(piece)
            if size >= MAX_HEAD_BYTES or (size >= HEAD_BYTES and any(b"\n" in piece for piece in text)):
                break
    inside = misnamed(text[0][:200], PLAIN) if text else None
    if inside is not None:
        raise RunError(f"{file.url}: holds {inside}, not JSON lines; give it the name of what it is, or {AGAIN}")
    if size >= MAX_HEAD_BYTES and not any(b"\n" in piece for piece in text):
        return [dict.fromkeys(BY_DEFAULT)]  # which it may have; the line is a dead letter
    rows = []
    for line in itertools.islice(split_lines(iter(text), 0, MAX_HEAD_BYTES), HEAD_LINES):
        try:
            rows.append(parse(line))
        except ValueError:
            continue
    if not rows:
        raise RunError(
            f"{file.url}: none of its first lines is a JSON object in UTF-8, as each line should be; "
            "jq -c . FILE > FILE.jsonl puts each object on a line, jq -c '.[]' those of an array"
        )
    return rows
