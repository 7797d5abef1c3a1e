"""Decompressed pieces of a dump in, the bytes of one `<page>` after the other out, in bounded memory.

Text in XML never holds a bare `<`, so `<page>` and `</page>` can be found without parsing. Each page is then parsed on
its own (see article.py): what is wrong with one costs that one, and the place of each is known to the byte.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline.command import RunError
from pipeline.stored import AGAIN

MAX_PAGE_BYTES = 64 << 20  # MediaWiki itself stores at most 2 MiB of wikitext a page ($wgMaxArticleSize)
MAX_BETWEEN_BYTES = 1 << 20  # between two pages stand a few spaces
MAX_SKIPPED_BYTES = 1 << 30  # left out of one source for being too large or between pages: more is a bomb, not a dump
_OPEN = re.compile(rb"<page[\s>]")
_CLOSE = b"</page>"
_FOOTER = b"</mediawiki>"


@dataclass(frozen=True)
class RawPage:
    """One page, or what may be one: then `error` says why it cannot be one, and `xml` is the start of it."""

    stream: int  # where its stream starts, in the stored file
    offset: int  # where it starts, in the text of that stream
    xml: bytes
    error: str = ""

    @property
    def is_page(self) -> bool:
        """Whether it starts as a page does, whatever is wrong with it."""
        return _OPEN.match(self.xml) is not None


class PageSplitter:
    """Splits the text of streams into pages; `footer` says whether `</mediawiki>` has been met."""

    def __init__(self, path: str, *, across_streams: bool, skip: int = 0) -> None:
        """Say what to split.

        Args:
            path: for errors.
            across_streams: a page may go on in the next stream, as in files that a parallel bzip2 has made.
            skip: length of the text to leave out at the start: a header.
        """
        self.footer = False
        self._path, self._across_streams = path, across_streams
        self._header = skip
        self._buffer = bytearray()
        self._stream = -1
        self._base = 0  # offset of the buffer's first byte in the text of its stream
        self._searched = 0  # no page ends before here in the buffer
        self._skipping = False  # inside a page that is too large
        self._skipped = 0

    def split(self, pieces: Iterable[tuple[int, bytes]]) -> Iterator[RawPage]:
        """Yield the pages of `pieces`, pairs of (where the stream starts, text).

        Raises:
            RunError: the text ends inside a page, or holds too much that is no page.
        """
        for stream, piece in pieces:
            if self._stream < 0 or (stream != self._stream and not self._across_streams):
                yield from self._end()
                self._stream, self._base = stream, 0
            self._buffer += piece
            if self._header:
                self._header -= len(self._take(min(self._header, len(self._buffer))))
            yield from self._pages()
        yield from self._end()

    def _pages(self) -> Iterator[RawPage]:
        """Take all that is whole from the buffer."""
        while True:
            opened = None if self._skipping else _OPEN.search(self._buffer)
            if opened and opened.start():
                yield from self._between(opened.start())
            elif not opened and not self._skipping:
                if len(self._buffer) > MAX_BETWEEN_BYTES:
                    self._skip(len(self._buffer))
                    yield from self._between(len(self._buffer))
                return
            end = self._buffer.find(_CLOSE, self._searched)
            if end < 0:
                yield from self._wait()
                return
            xml = self._take(end + len(_CLOSE))
            if not self._skipping:
                yield from self._one_by_one(xml)
            self._skipping = False

    def _wait(self) -> Iterator[RawPage]:
        """Keep what may still become a page; of one that is too large, keep only what may be its end."""
        if not self._skipping and len(self._buffer) > MAX_PAGE_BYTES:
            start = bytes(self._buffer[:2000])
            yield RawPage(self._stream, self._base, start, f"the page is larger than {MAX_PAGE_BYTES >> 20} MiB")
            self._skipping = True
        if self._skipping:
            self._skip(len(self._buffer))
            self._take(max(0, len(self._buffer) - len(_CLOSE)))
        self._searched = max(0, len(self._buffer) - len(_CLOSE))

    def _one_by_one(self, xml: bytes) -> Iterator[RawPage]:
        """The page that has just been taken, after those before it that never ended."""
        starts = [opened.start() for opened in _OPEN.finditer(xml)]
        for start, stop in zip(starts, [*starts[1:], len(xml)], strict=True):
            error = "" if stop == len(xml) else "the page has no </page>"
            yield RawPage(self._stream, self._base - len(xml) + start, xml[start:stop], error)

    def _between(self, length: int) -> Iterator[RawPage]:
        """Take what stands outside of pages: white space, and the footer after the last of them."""
        text = self._take(length)
        before, footer, after = text.partition(_FOOTER)
        self.footer = self.footer or bool(footer)
        if before.strip() or after.strip():
            yield RawPage(self._stream, self._base - len(text), text[:2000], "text that stands in no page")

    def _end(self) -> Iterator[RawPage]:
        """The stream, or all of them, ended."""
        if self._skipping or _OPEN.match(self._buffer):
            raise RunError(
                f"{self._path}: is cut in the middle of a page, at byte {self._base} of the text of the stream"
                f" at byte {self._stream}; {AGAIN}"
            )
        yield from self._between(len(self._buffer))

    def _take(self, length: int) -> bytes:
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._base += length
        self._searched = 0
        return taken

    def _skip(self, length: int) -> None:
        self._skipped += length
        if self._skipped > MAX_SKIPPED_BYTES:
            raise RunError(
                f"{self._path}: more than {MAX_SKIPPED_BYTES >> 30} GiB that is no page, up to the stream at byte"
                f" {self._stream}: this is no dump of articles"
            )
