"""A MediaWiki XML dump in: first its site and the plan of its parts, then the pages of each part out."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pipeline.article import Page, dead_letter, read_page
from pipeline.command import RunError
from pipeline.files import open_file, size_of
from pipeline.index import BOTH_AGAIN, Run, check_run, index_name, plan_runs
from pipeline.site import Site, parse_header
from pipeline.stored import AGAIN, pieces
from pipeline.xml_pages import PageSplitter, RawPage

MAX_HEADER_BYTES = 4 << 20
_STREAM_MAGIC = (b"1AY&SY", b"\x17rE8P\x90")  # what follows 'BZh' and the level: a block, or the end of no blocks
_FOOTER = b"</mediawiki>"
_HEADER_END = re.compile(rb"<page[\s>]|</mediawiki>")


@dataclass(frozen=True)
class Streams:
    """A run of whole bz2 streams of a multistream dump."""

    path: str
    run: Run
    is_last: bool  # then it ends with the footer

    @property
    def bytes(self) -> int:
        """Stored bytes."""
        return self.run.end - self.run.start


@dataclass(frozen=True)
class WholeFile:
    """A dump that can only be read from its start to its end."""

    path: str
    kind: str  # "xml", "xml.bz2" or "xml.gz"
    header: int  # bytes of text before the first page
    bytes: int  # as stored


def plan_whole(path: str, kind: str) -> tuple[Site, WholeFile]:
    """Read the header of a dump that is not multistream.

    Raises:
        RunError: it is empty, damaged, or no dump.
    """
    size = size_of(path)
    text = _read_header(path, kind, size)
    found = _HEADER_END.search(text)
    header = found.start() if found else len(text)
    return _site(path, text[:header]), WholeFile(path, kind, header, size)


def plan_multistream(path: str, unit_bytes: int) -> tuple[Site, list[tuple[Streams]]]:
    """Read header, index and footer of a multistream dump; plan runs of whole streams (see `index.plan_runs`).

    Raises:
        RunError: the index is missing or does not fit, or the dump is empty, cut, damaged, or no dump.
    """
    size = size_of(path)
    index = index_name(path) or ""
    if not os.path.exists(index):
        raise RunError(
            f"{index}: no such file: the index of {os.path.basename(path)} must lie beside it; download it, or take"
            " '-multistream' out of the dump's name to read it without"
        )
    with open_file(path) as file:
        if not _stream_starts(file, 0):
            raise RunError(f"{path}: is no bz2 file; {AGAIN}")
        runs = plan_runs(index, path, size, unit_bytes)
        for run in runs:
            if not _stream_starts(file, run.start):
                raise RunError(f"{index}: does not fit {path}: no stream starts at byte {run.start}; {BOTH_AGAIN}")
        text = _read_header(path, "multistream", runs[0].start)
        if _HEADER_END.search(text):
            raise RunError(f"{index}: does not fit {path}: there are pages before the first it names; {BOTH_AGAIN}")
        tail = b""
        for _, piece in pieces(file, path, "multistream", runs[-1].start, runs[-1].end):
            tail = (tail + piece)[-len(_FOOTER) - 100 :]
        if not tail.rstrip().endswith(_FOOTER):
            raise _cut(path)
    return _site(path, text), [(Streams(path, run, run is runs[-1]),) for run in runs]


def read(part: Streams | WholeFile, site: Site) -> Iterator[Page]:
    """The pages of one part, in order.

    Raises:
        RunError: the dump is cut or damaged; or, at the end, its pages are not those that the index names.
    """
    if isinstance(part, WholeFile):
        splitter = PageSplitter(part.path, across_streams=True, skip=part.header)
        for _, page in _pages(splitter, part.path, part.kind, 0, part.bytes, site):
            yield page
    else:
        splitter = PageSplitter(part.path, across_streams=False)
        found: list[tuple[int, int | None]] = []
        for raw, page in _pages(splitter, part.path, "multistream", part.run.start, part.run.end, site):
            if raw.is_page:
                found.append((raw.stream, page.page_id))
            yield page
        check_run(part.run, found, index_name(part.path) or "", part.path)
    if (isinstance(part, WholeFile) or part.is_last) and not splitter.footer:
        raise _cut(part.path)


def _pages(
    splitter: PageSplitter, path: str, kind: str, start: int, end: int, site: Site
) -> Iterator[tuple[RawPage, Page]]:
    """The pages as they were found, and as they were read."""
    name = os.path.basename(path)
    with open_file(path) as file:
        for raw in splitter.split(pieces(file, path, kind, start, end)):
            where = f"{name}, byte {raw.offset} of the text of the stream at byte {raw.stream}"
            page = dead_letter(raw.xml, where, raw.error) if raw.error else read_page(raw.xml, where, site)
            yield raw, page


def _read_header(path: str, kind: str, end: int) -> bytes:
    """The text up to `end`, or up to a little after the first page starts."""
    text = b""
    with open_file(path) as file:
        for _, piece in pieces(file, path, kind, 0, end):
            text += piece
            if found := _HEADER_END.search(text):
                return text[: found.end()]
            if len(text) > MAX_HEADER_BYTES:
                break
    if len(text) > MAX_HEADER_BYTES:
        raise RunError(f"{path}: is no MediaWiki dump: no <page> in its first {MAX_HEADER_BYTES >> 20} MiB of text")
    return text


def _site(path: str, header: bytes) -> Site:
    try:
        return parse_header(header)
    except ValueError as error:
        raise RunError(f"{path}: is no MediaWiki dump: {error}") from None


def _stream_starts(file: BinaryIO, offset: int) -> bool:
    file.seek(offset)
    magic = file.read(10)
    return magic[:3] == b"BZh" and magic[4:] in _STREAM_MAGIC


def _cut(path: str) -> RunError:
    # Python's bz2 takes a file that was cut between two streams for a whole one: only the footer tells.
    return RunError(f"{path}: is cut: it does not end with </mediawiki>; {AGAIN}")
