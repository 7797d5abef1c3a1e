"""Plan the parts of a MediaWiki XML dump, and read the pages of each.

A dump with an index (multistream) has many parts, runs of its bz2 streams; one without is a single part.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pipeline.articles import Page, Pages, Site, gather
from pipeline.source.dump_index import BOTH_AGAIN, Run, check_run, plan_runs
from pipeline.source.dump_pages import PREFIX, PageSplitter, RawPage, Whereabouts
from pipeline.source.dump_streams import READ_BYTES, check_kind, pieces
from pipeline.source.page_xml import dead_letter, parse_header, read_page
from pipeline.source.template_redirects import template_redirects
from pipeline.storage import AGAIN, File, open_file, open_ranges
from wikilm.errors import RunError

MAX_HEADER_BYTES = 4 << 20
_STREAM_MAGIC = (b"1AY&SY", b"\x17rE8P\x90")  # what follows 'BZh' and the level: a block, or the end of no blocks
_FOOTER = re.compile(rb"</" + PREFIX + rb"mediawiki>\s*$")
_HEADER_END = re.compile(rb"<" + PREFIX + rb"page[\s>]|</" + PREFIX + rb"mediawiki>")
_ROOT = re.compile(rb"<(" + PREFIX + rb")mediawiki[\s>]")


class _Part(ABC):
    """What the parts of a dump have in common. `plan.Part` says what each method gives."""

    @abstractmethod
    def pages_with_xml(self, site: Site, max_page_bytes: int) -> Iterator[tuple[Page, bytes]]: ...

    def pages(self, site: Site, max_page_bytes: int) -> Iterator[Page]:
        return (page for page, _ in self.pages_with_xml(site, max_page_bytes))

    def batches(self, site: Site, max_page_bytes: int) -> Iterator[Pages]:
        return gather(self.pages(site, max_page_bytes))


@dataclass(frozen=True)
class Streams(_Part):
    """A run of whole bz2 streams of a multistream dump."""

    file: File
    index: File
    run: Run
    is_last: bool  # then it ends with the footer
    prefix: bytes = b""  # of the XML's tags

    @property
    def stored_bytes(self) -> int:
        """Size of the part as it is stored, compressed."""
        return self.run.end - self.run.start

    def pages_with_xml(self, site: Site, max_page_bytes: int) -> Iterator[tuple[Page, bytes]]:
        """Yield the pages in order, each with its XML.

        Raises:
            RunError: the dump is cut or damaged; or, at the end, its pages are not those that the index names.
        """
        splitter = PageSplitter(
            self.file.url, across_streams=False, max_page_bytes=max_page_bytes, prefix=self.prefix
        )  # fmt: skip
        found: list[tuple[int, int | None]] = []
        for raw, page in _read(splitter, self, "multistream", self.run.start, self.run.end, site):
            if raw.is_page:
                found.append((raw.stream, page.page_id))
            yield page, raw.xml
        check_run(self.run, found, self.index, self.file)
        if self.is_last and not splitter.footer:
            raise _cut(self.file)

    def template_redirects(self, site: Site) -> Iterator[tuple[str, str]]:
        """Yield the templates that are redirects to others (see `template_redirects.template_redirects`).

        Raises:
            RunError: the dump is cut or damaged.
        """
        return _template_redirects(self, "multistream", self.run.start, self.run.end, site)


@dataclass(frozen=True)
class WholeFile(_Part):
    """A dump that can only be read from its start to its end."""

    file: File
    kind: str  # as in `SourceEntry.kind`
    header: int  # bytes of text before the first page
    prefix: bytes = b""  # of the XML's tags

    @property
    def stored_bytes(self) -> int:
        """Size of the part as it is stored, compressed."""
        return self.file.bytes

    def pages_with_xml(self, site: Site, max_page_bytes: int) -> Iterator[tuple[Page, bytes]]:
        """Yield the pages in order, each with its XML.

        Raises:
            RunError: the dump is cut or damaged.
        """
        splitter = PageSplitter(
            self.file.url, across_streams=True, max_page_bytes=max_page_bytes, skip=self.header,
            prefix=self.prefix,
        )  # fmt: skip
        for raw, page in _read(splitter, self, self.kind, 0, self.stored_bytes, site):
            yield page, raw.xml
        if not splitter.footer:
            raise _cut(self.file)

    def template_redirects(self, site: Site) -> Iterator[tuple[str, str]]:
        """Yield the templates that are redirects to others (see `template_redirects.template_redirects`).

        Raises:
            RunError: the dump is cut or damaged.
        """
        return _template_redirects(self, self.kind, 0, self.stored_bytes, site)


def plan_whole(file: File, kind: str) -> tuple[Site, WholeFile]:
    """Read the header of a dump that is not multistream.

    Raises:
        RunError: it is empty, damaged, or no dump.
    """
    text = _read_header(file, kind, file.bytes)
    found = _HEADER_END.search(text)
    header = found.start() if found else len(text)
    return _site(file, text[:header]), WholeFile(file, kind, header, _prefix(text))


def plan_multistream(file: File, index: File, unit_bytes: int) -> tuple[Site, list[Streams]]:
    """Read header, index and footer of a multistream dump; plan runs of whole streams (see `dump_index.plan_runs`).

    Raises:
        RunError: the index does not fit, or the dump is empty, cut, damaged, or no dump.
    """
    check_kind(file, "multistream")
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
            tail = (tail + piece)[-200:]
    if not _FOOTER.search(tail):
        raise _cut(file)
    return _site(file, text), [Streams(file, index, run, run is runs[-1], _prefix(text)) for run in runs]


def _read(
    splitter: PageSplitter, part: Streams | WholeFile, kind: str, start: int, end: int, site: Site
) -> Iterator[tuple[RawPage, Page]]:
    """Yield the pages as they were found, and as they were read."""
    file, prefixed = part.file, re.compile(rb"(</?)" + re.escape(part.prefix)) if part.prefix else None
    with open_file(file, end) as stored:
        for raw in splitter.split(pieces(stored, file.url, kind, start, end)):
            where = str(Whereabouts(file.name, raw.stream, raw.offset))
            xml = prefixed.sub(rb"\1", raw.xml) if prefixed else raw.xml
            page = dead_letter(xml, where, raw.error) if raw.error else read_page(xml, where, site)
            yield raw, page


def _template_redirects(
    part: Streams | WholeFile, kind: str, start: int, end: int, site: Site
) -> Iterator[tuple[str, str]]:
    with open_file(part.file, end) as stored:
        texts = (piece for _, piece in pieces(stored, part.file.url, kind, start, end))
        yield from template_redirects(texts, site, part.prefix)


def _read_header(file: File, kind: str, end: int) -> bytes:
    """Return the text up to `end`, or up to a little after the first page starts."""
    check_kind(file, kind)
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


def _prefix(header: bytes) -> bytes:
    """Return the prefix of a dump's tags, with its colon; MediaWiki writes none."""
    root = _ROOT.search(header)
    return root[1] if root else b""


def _stream_starts(file: BinaryIO, offset: int) -> bool:
    file.seek(offset)
    magic = file.read(10)
    return magic[:3] == b"BZh" and magic[4:] in _STREAM_MAGIC


def _cut(file: File) -> RunError:
    # Python's bz2 takes a file that was cut between two streams for a whole one: only the footer tells.
    return RunError(f"{file.url}: is cut: it does not end with </mediawiki>; {AGAIN}")
