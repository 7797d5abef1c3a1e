"""A MediaWiki XML dump in: first its site and the plan of its parts, then the pages of each part out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pipeline.articles.article import Page
from pipeline.articles.site import Site
from pipeline.source.dump_index import BOTH_AGAIN, Run, check_run, plan_runs
from pipeline.source.dump_pages import PageSplitter, RawPage
from pipeline.source.dump_streams import READ_BYTES, pieces
from pipeline.source.page_xml import dead_letter, parse_header, read_page
from pipeline.storage import AGAIN, File, open_file, open_ranges
from wikilm.errors import RunError

MAX_HEADER_BYTES = 4 << 20
_STREAM_MAGIC = (b"1AY&SY", b"\x17rE8P\x90")  # what follows 'BZh' and the level: a block, or the end of no blocks
_FOOTER = b"</mediawiki>"
_HEADER_END = re.compile(rb"<page[\s>]|</mediawiki>")


@dataclass(frozen=True)
class Streams:
    """A run of whole bz2 streams of a multistream dump."""

    file: File
    index: File
    run: Run
    is_last: bool  # then it ends with the footer

    @property
    def bytes(self) -> int:
        """Stored bytes."""
        return self.run.end - self.run.start


@dataclass(frozen=True)
class WholeFile:
    """A dump that can only be read from its start to its end."""

    file: File
    kind: str  # "xml", "xml.bz2" or "xml.gz"
    header: int  # bytes of text before the first page

    @property
    def bytes(self) -> int:
        """Stored bytes."""
        return self.file.bytes


def plan_whole(file: File, kind: str) -> tuple[Site, WholeFile]:
    """Read the header of a dump that is not multistream.

    Raises:
        RunError: it is empty, damaged, or no dump.
    """
    text = _read_header(file, kind, file.bytes)
    found = _HEADER_END.search(text)
    header = found.start() if found else len(text)
    return _site(file, text[:header]), WholeFile(file, kind, header)


def plan_multistream(file: File, index: File, unit_bytes: int) -> tuple[Site, list[Streams]]:
    """Read header, index and footer of a multistream dump; plan runs of whole streams (see `index.plan_runs`).

    Raises:
        RunError: the index does not fit, or the dump is empty, cut, damaged, or no dump.
    """
    runs = plan_runs(index, file, unit_bytes)
    with open_ranges(file) as stored:
        if not _stream_starts(stored, 0):
            raise RunError(f"{file.url}: is no bz2 file; {AGAIN}")
        # A server is spared a request for every run: reading finds the same.
        for run in runs if file.is_local else runs[-1:]:
            if not _stream_starts(stored, run.start):
                raise RunError(
                    f"{index.url}: does not fit {file.url}: no stream starts at byte {run.start}; {BOTH_AGAIN}"
                )
    text = _read_header(file, "multistream", runs[0].start)
    if _HEADER_END.search(text):
        raise RunError(f"{index.url}: does not fit {file.url}: there are pages before the first it names; {BOTH_AGAIN}")
    tail = b""
    with open_file(file) as last:
        for _, piece in pieces(last, file.url, "multistream", runs[-1].start, runs[-1].end):
            tail = (tail + piece)[-len(_FOOTER) - 100 :]
    if not tail.rstrip().endswith(_FOOTER):
        raise _cut(file)
    return _site(file, text), [Streams(file, index, run, run is runs[-1]) for run in runs]


def read(part: Streams | WholeFile, site: Site, max_page_bytes: int) -> Iterator[Page]:
    """The pages of one part, in order (see `read_raw`)."""
    return (page for _, page in read_raw(part, site, max_page_bytes))


def read_raw(part: Streams | WholeFile, site: Site, max_page_bytes: int) -> Iterator[tuple[RawPage, Page]]:
    """The pages of one part, in order, as they were found and as they were read.

    Args:
        part: what was planned.
        site: whose pages they are.
        max_page_bytes: a page with more XML is a dead letter.

    Raises:
        RunError: the dump is cut or damaged; or, at the end, its pages are not those that the index names.
    """
    path = part.file.url
    if isinstance(part, WholeFile):
        splitter = PageSplitter(path, across_streams=True, max_page_bytes=max_page_bytes, skip=part.header)
        yield from _pages(splitter, part.file, part.kind, 0, part.bytes, site)
    else:
        splitter = PageSplitter(path, across_streams=False, max_page_bytes=max_page_bytes)
        found: list[tuple[int, int | None]] = []
        for raw, page in _pages(splitter, part.file, "multistream", part.run.start, part.run.end, site):
            if raw.is_page:
                found.append((raw.stream, page.page_id))
            yield raw, page
        check_run(part.run, found, part.index, part.file)
    if (isinstance(part, WholeFile) or part.is_last) and not splitter.footer:
        raise _cut(part.file)


def _pages(
    splitter: PageSplitter, file: File, kind: str, start: int, end: int, site: Site
) -> Iterator[tuple[RawPage, Page]]:
    """The pages as they were found, and as they were read."""
    with open_file(file, end) as stored:
        for raw in splitter.split(pieces(stored, file.url, kind, start, end)):
            where = f"{file.name}, byte {raw.offset} of the text of the stream at byte {raw.stream}"
            page = dead_letter(raw.xml, where, raw.error) if raw.error else read_page(raw.xml, where, site)
            yield raw, page


def _read_header(file: File, kind: str, end: int) -> bytes:
    """The text up to `end`, or up to a little after the first page starts."""
    text = b""
    with open_file(file, end, READ_BYTES) as stored:
        for _, piece in pieces(stored, file.url, kind, 0, end):
            text += piece
            if found := _HEADER_END.search(text):
                return text[: found.end()]
            if len(text) > MAX_HEADER_BYTES:
                break
    if len(text) > MAX_HEADER_BYTES:
        raise RunError(f"{file.url}: is no MediaWiki dump: no <page> in its first {MAX_HEADER_BYTES >> 20} MiB of text")
    return text


def _site(file: File, header: bytes) -> Site:
    try:
        return parse_header(header)
    except ValueError as error:
        raise RunError(f"{file.url}: is no MediaWiki dump: {error}") from None


def _stream_starts(file: BinaryIO, offset: int) -> bool:
    file.seek(offset)
    magic = file.read(10)
    return magic[:3] == b"BZh" and magic[4:] in _STREAM_MAGIC


def _cut(file: File) -> RunError:
    # Python's bz2 takes a file that was cut between two streams for a whole one: only the footer tells.
    return RunError(f"{file.url}: is cut: it does not end with </mediawiki>; {AGAIN}")
