"""Split the decompressed text of a dump into pages, in bounded memory.

Text in XML never holds a bare `<`, so `<page>` and `</page>` can be found without parsing. Each page is then parsed on
its own (page_xml.py): what is wrong with one costs that one, and the place of each is known to the byte.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline.storage import AGAIN
from wikilm.errors import RunError

HEAD_BYTES = 2000  # kept of what is no page, or too large: its id and title are there, if anywhere
_BLANK = re.compile(rb"\s*")
_TRUNCATED = b"\0"  # stands in no XML
PREFIX = rb"(?:[A-Za-z_][\w.-]{0,40}:)?"  # of tags; MediaWiki writes none, but other programs do
_ANY_OPEN = re.compile(rb"<" + PREFIX + rb"page[\s>]")
_WHEREABOUTS = re.compile("(.*), byte ([0-9]{1,19}) of the text of the stream at byte ([0-9]{1,19})", re.DOTALL)


@dataclass(frozen=True)
class Whereabouts:
    """The place of a page in a dump, to the byte; as text it stands in dead letters, and `show --where` takes it."""

    file: str  # its name, without the folder
    stream: int  # where its stream starts, in the stored file
    offset: int  # where it starts, in the text of that stream

    def __str__(self) -> str:
        return f"{self.file}, byte {self.offset} of the text of the stream at byte {self.stream}"

    @classmethod
    def parse(cls, text: str) -> "Whereabouts | None":
        """Return the place that a text of that form names; None for any other text."""
        found = _WHEREABOUTS.fullmatch(text)
        return cls(found[1], int(found[3]), int(found[2])) if found else None


@dataclass(frozen=True)
class RawPage:
    """One page, or what may be one: then `error` says why it cannot be one, and `xml` may be no more than its start."""

    stream: int  # where its stream starts, in the stored file
    offset: int  # where it starts, in the text of that stream
    xml: bytes
    error: str = ""

    @property
    def is_page(self) -> bool:
        """Whether it starts as a page does, whatever is wrong with it."""
        return _ANY_OPEN.match(self.xml) is not None


class _Marks:
    """The tags that text is split at, with the prefix that a dump gives them."""

    def __init__(self, prefix: bytes) -> None:
        self.open = re.compile(rb"<%bpage[\s>]" % re.escape(prefix))
        self.close = b"</%bpage>" % prefix
        self.revision = re.compile(rb"<%brevision[\s>]" % re.escape(prefix))
        self.revision_end = b"</%brevision>" % prefix
        self.timestamp = re.compile(rb"<%btimestamp>\s*([0-9T:Z.+-]{1,40})\s*</" % re.escape(prefix))
        self.footer = b"</%bmediawiki>" % prefix
        self.longest = len(self.footer)  # of the marks that end anything


class PageSplitter:
    """Splits the text of streams into pages; `footer` says whether `</mediawiki>` has been met.

    What comes out does not depend on where the pieces that go in are cut.
    """

    def __init__(
        self, path: str, *, across_streams: bool, max_page_bytes: int, skip: int = 0, prefix: bytes = b""
    ) -> None:
        """Say what to split.

        Args:
            path: for errors.
            across_streams: a page may go on in the next stream, as in files that a parallel bzip2 has made.
            max_page_bytes: of a page with its newest revision; at least HEAD_BYTES. No more than three times this, and
                the last piece, is ever held.
            skip: length of the text to leave out at the start: a header.
            prefix: of the tags, with its colon.
        """
        self.footer = False
        self._marks = _Marks(prefix)
        self._path, self._across_streams, self._max_page_bytes = path, across_streams, max_page_bytes
        self._header = skip
        self._buffer = bytearray()
        self._stream = -1
        self._base = 0  # offset of the buffer's first byte in the text of its stream
        self._searched = 0  # nothing ends before here in the buffer
        self._skipping = ""  # "page" or "text": inside something of which the end alone is still wanted
        self._removed = 0  # bytes of the page at the start of the buffer that are not there any more
        self._tail = 0  # where in the buffer the last revision of that page starts, or ends if it is whole

    def split(self, pieces: Iterable[tuple[int, bytes]]) -> Iterator[RawPage]:
        """Yield the pages of `pieces`, pairs of (where the stream starts, text).

        Raises:
            RunError: the text ends inside a page.
        """
        for stream, piece in pieces:
            if self._stream < 0 or (stream != self._stream and not self._across_streams):
                yield from self._items(last=True)
                self._stream, self._base = stream, 0
            self._buffer += piece
            if self._header:
                self._header -= len(self._take(min(self._header, len(self._buffer))))
            yield from self._items(last=False)
        yield from self._items(last=True)

    def _items(self, *, last: bool) -> Iterator[RawPage]:
        """Take all that is whole from the buffer: pages, and text that stands in none; `last`: nothing more comes."""
        while self._buffer:
            if not self._skipping and self._outside(last=last):
                return
            kind = self._skipping or ("page" if self._marks.open.match(self._buffer) else "text")
            end = self._end_of(kind)
            if end < 0 and last:
                if kind == "page":
                    raise RunError(
                        f"{self._path}: is cut in the middle of a page, at byte {self._base} of the text of the stream"
                        f" at byte {self._stream}; {AGAIN}"
                    )
                end = len(self._buffer)
            if kind == "page" and not self._skipping:
                end = self._keep_newest(end)
            if not self._skipping:
                if 0 <= end <= self._limit(kind):
                    yield self._whole(kind, end)
                    continue
                if end < 0 and len(self._buffer) - self._tail <= self._limit(kind):
                    return
                yield self._too_large(kind)
                self._skipping = kind
            if end < 0:
                self._take(max(1, len(self._buffer) - self._marks.longest))
                return
            self._take(end)
            self._skipping = ""

    def _outside(self, *, last: bool) -> bool:
        """Take what stands between pages: white space, the footer; whether more is needed to tell what comes next."""
        while True:
            blank = _BLANK.match(self._buffer)
            self._take(blank.end() if blank else 0)
            if not self._buffer.startswith(self._marks.footer):
                return not self._buffer or (len(self._buffer) < self._marks.longest and not last)
            self.footer = True
            self._take(self._marks.longest)

    def _end_of(self, kind: str) -> int:
        """Return how much of the buffer belongs to what is at its start; -1: its end has not come yet."""
        start = self._searched if self._skipping else max(1, self._searched)
        mark = self._buffer.find(self._marks.close if kind == "page" else self._marks.footer, start)
        opened = self._marks.open.search(self._buffer, start, mark if mark >= 0 else len(self._buffer))
        if opened:  # the next page, although this one has not ended
            return opened.start()
        if mark >= 0:
            return mark + len(self._marks.close) if kind == "page" else mark
        self._searched = max(0, len(self._buffer) - self._marks.longest + 1)
        return -1

    def _keep_newest(self, end: int) -> int:
        """Leave, of the whole revisions of the page at the start of the buffer, only the one with the latest timestamp.

        Of one that is too large only the start is kept; if it is the newest, the page is too large.

        Args:
            end: where the page ends, or -1.

        Returns:
            Where it ends now.
        """
        stop, before = end if end >= 0 else len(self._buffer), len(self._buffer)
        found: list[tuple[int, int]] = []
        start = self._marks.revision.search(self._buffer, 0, stop)
        while start and (close := self._buffer.find(self._marks.revision_end, start.end(), stop)) >= 0:
            found.append((start.start(), close + len(self._marks.revision_end)))
            start = self._marks.revision.search(self._buffer, found[-1][1], stop)
        if start and end < 0 and before - start.start() > self._max_page_bytes:
            self._remove(start.start() + HEAD_BYTES, before - self._marks.longest, _TRUNCATED)
        self._tail = start.start() if start else found[-1][1] if found else 0
        if len(found) > 1:  # of two with the same timestamp, the later one in the file
            newest = max(found, key=lambda span: (self._timestamp(*span), span))
            self._remove(newest[1], found[-1][1])
            self._remove(found[0][0], newest[0])
            self._tail -= found[-1][1] - found[0][0] - (newest[1] - newest[0])
        return end if end < 0 else end - (before - len(self._buffer))

    def _timestamp(self, start: int, end: int) -> bytes:
        found = self._marks.timestamp.search(self._buffer, start, end)
        return found[1] if found else b""

    def _remove(self, start: int, end: int, mark: bytes = b"") -> None:
        """Take out a part of the page at the start of the buffer, which counts for places in the text all the same."""
        self._buffer[start:end] = mark
        self._removed += end - start - len(mark)
        self._searched = max(0, min(self._searched, len(self._buffer) - self._marks.longest + 1))

    def _limit(self, kind: str) -> int:
        return self._max_page_bytes if kind == "page" else HEAD_BYTES

    def _whole(self, kind: str, length: int) -> RawPage:
        if kind == "page" and self._removed and _TRUNCATED in self._buffer[:length]:
            raw = self._too_large(kind)
            self._take(length)
            return raw
        offset, xml = self._base, self._take(length)
        if kind == "text":
            return RawPage(self._stream, offset, xml, "text that stands in no page")
        return RawPage(self._stream, offset, xml, "" if xml.endswith(self._marks.close) else "the page has no </page>")

    def _too_large(self, kind: str) -> RawPage:
        error = f"the page is larger than source.max_page_bytes = {self._max_page_bytes}"
        head = bytes(self._buffer[:HEAD_BYTES])
        return RawPage(self._stream, self._base, head, error if kind == "page" else "text that stands in no page")

    def _take(self, length: int) -> bytes:
        if not length:
            return b""
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._base += length + self._removed
        self._searched = self._removed = self._tail = 0
        return taken
