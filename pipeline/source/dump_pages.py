"""Decompressed pieces of a dump in, the bytes of one `<page>` after the other out, in bounded memory.

Text in XML never holds a bare `<`, so `<page>` and `</page>` can be found without parsing. Each page is then parsed on
its own (see article.py): what is wrong with one costs that one, and the place of each is known to the byte.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline.storage import AGAIN
from wikilm.errors import RunError

HEAD_BYTES = 2000  # kept of what is no page, or too large: its id and title are there, if anywhere
_BLANK = re.compile(rb"\s*")
_OPEN = re.compile(rb"<page[\s>]")
_CLOSE = b"</page>"
_FOOTER = b"</mediawiki>"
_MARK = len(_FOOTER)  # the longest of the marks that end anything


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
        return _OPEN.match(self.xml) is not None


class PageSplitter:
    """Splits the text of streams into pages; `footer` says whether `</mediawiki>` has been met.

    What comes out does not depend on where the pieces that go in are cut.
    """

    def __init__(self, path: str, *, across_streams: bool, max_page_bytes: int, skip: int = 0) -> None:
        """Say what to split.

        Args:
            path: for errors.
            across_streams: a page may go on in the next stream, as in files that a parallel bzip2 has made.
            max_page_bytes: no more than this, and the last piece, is ever held; at least HEAD_BYTES.
            skip: length of the text to leave out at the start: a header.
        """
        self.footer = False
        self._path, self._across_streams, self._max_page_bytes = path, across_streams, max_page_bytes
        self._header = skip
        self._buffer = bytearray()
        self._stream = -1
        self._base = 0  # offset of the buffer's first byte in the text of its stream
        self._searched = 0  # nothing ends before here in the buffer
        self._skipping = ""  # "page" or "text": inside something of which the end alone is still wanted

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
            kind = self._skipping or ("page" if _OPEN.match(self._buffer) else "text")
            end = self._end_of(kind)
            if end < 0 and last:
                if kind == "page":
                    raise RunError(
                        f"{self._path}: is cut in the middle of a page, at byte {self._base} of the text of the stream"
                        f" at byte {self._stream}; {AGAIN}"
                    )
                end = len(self._buffer)
            if not self._skipping:
                if 0 <= end <= self._limit(kind):
                    yield self._whole(kind, end)
                    continue
                if end < 0 and len(self._buffer) <= self._limit(kind):
                    return
                yield self._too_large(kind)
                self._skipping = kind
            if end < 0:
                self._take(max(1, len(self._buffer) - _MARK))
                return
            self._take(end)
            self._skipping = ""

    def _outside(self, *, last: bool) -> bool:
        """Take what stands between pages: white space, the footer; whether more is needed to tell what comes next."""
        while True:
            blank = _BLANK.match(self._buffer)
            self._take(blank.end() if blank else 0)
            if not self._buffer.startswith(_FOOTER):
                return not self._buffer or (len(self._buffer) < _MARK and not last)
            self.footer = True
            self._take(_MARK)

    def _end_of(self, kind: str) -> int:
        """How much of the buffer belongs to what is at its start; -1: its end has not come yet."""
        start = self._searched if self._skipping else max(1, self._searched)
        mark = self._buffer.find(_CLOSE if kind == "page" else _FOOTER, start)
        opened = _OPEN.search(self._buffer, start, mark if mark >= 0 else len(self._buffer))
        if opened:  # the next page, although this one has not ended
            return opened.start()
        if mark >= 0:
            return mark + len(_CLOSE) if kind == "page" else mark
        self._searched = max(0, len(self._buffer) - _MARK + 1)
        return -1

    def _limit(self, kind: str) -> int:
        return self._max_page_bytes if kind == "page" else HEAD_BYTES

    def _whole(self, kind: str, length: int) -> RawPage:
        offset, xml = self._base, self._take(length)
        if kind == "text":
            return RawPage(self._stream, offset, xml, "text that stands in no page")
        return RawPage(self._stream, offset, xml, "" if xml.endswith(_CLOSE) else "the page has no </page>")

    def _too_large(self, kind: str) -> RawPage:
        error = f"the page is larger than source.max_page_bytes = {self._max_page_bytes}"
        head = bytes(self._buffer[:HEAD_BYTES])
        return RawPage(self._stream, self._base, head, error if kind == "page" else "text that stands in no page")

    def _take(self, length: int) -> bytes:
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._base += length
        self._searched = 0
        return taken
