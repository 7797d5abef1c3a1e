"""Find single pages of a source, with as little reading as the source allows."""

import bisect
import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from pipeline.articles import TEMPLATE, Dropped, Page, Site
from pipeline.settings import SourceSettings
from pipeline.source import dump
from pipeline.source.dump_index import Line, read_index
from pipeline.source.dump_pages import Whereabouts
from pipeline.source.listing import SourceFiles, find_files
from pipeline.source.plan import as_asked, plan
from pipeline.storage import File


@dataclass(frozen=True)
class Wanted:
    """The page that a user asked for: by its title, its page id, or the place that a dead letter names."""

    title: str | None = None
    page_id: int | None = None
    where: str | None = None

    def matches(self, page: Page) -> bool:
        """Return whether this is the page."""
        if self.title is not None:
            return page.title == self.title
        if self.page_id is not None:
            return page.page_id == self.page_id
        return not isinstance(page, Dropped) and page.where == self.where


@dataclass(frozen=True)
class Candidates:
    """Pages among which the wanted one is, if the source has it; each with its XML, if it has any."""

    site: Site
    is_wikitext: bool
    pages: Iterator[tuple[Page, bytes]]
    files: SourceFiles

    @property
    def stored_bytes(self) -> int:
        """Size of all files, as stored."""
        return sum(one.file.bytes for one in self.files.files)

    @property
    def is_indexed(self) -> bool:
        """Whether an index says where each page lies, so that no others need be read."""
        return self.files.kind == "multistream"


def candidates(source: SourceSettings, wanted: Wanted) -> Candidates:
    """Return the pages to look through: one stream or the titles of a dump with an index, else all pages.

    Raises:
        UsageError, RunError: as `plan.open_source`; reading the pages may raise RunError too.
    """
    found = find_files(source)
    if found.kind == "multistream":
        return _indexed(found, source, wanted)
    site, units = plan(found, source)
    parts = itertools.chain.from_iterable(units)
    pages = itertools.chain.from_iterable(part.pages_with_xml(site, source.max_page_bytes) for part in parts)
    return Candidates(site, found.is_wikitext, pages, found)


def template_redirects(found: Candidates, names: Collection[str], source: SourceSettings) -> Iterator[tuple[str, str]]:
    """Yield redirects between templates, at least those that start from these names (see `Part.template_redirects`).

    Of a dump with an index only the streams that hold these templates are read, of others all that there is: then all
    redirects come.

    Args:
        found: from `candidates`.
        names: of templates, without their namespace, in lower case.
        source: what it is of.
    """
    if not found.is_indexed:
        _, units = plan(found.files, source)
        yield from itertools.chain.from_iterable(part.template_redirects(found.site) for unit in units for part in unit)
        return
    for one in found.files.files:
        if one.index is not None:
            offsets = {line.offset for line in read_index(one.index) if _is_template(line.title, names, found.site)}
            for part in _streams(one.file, one.index, offsets):
                yield from part.template_redirects(found.site)


def _is_template(title: str, names: Collection[str], site: Site) -> bool:
    namespace, _, name = title.partition(":")
    return name.lower() in names and site.namespace_of(namespace) == TEMPLATE


def _streams(file: File, index: File, offsets: Collection[int]) -> Iterator[dump.Streams]:
    """Yield the streams of a dump that start there, each as a part of its own."""
    if offsets:
        _, parts = dump.plan_multistream(file, index, unit_bytes=1)
        yield from (part for part in parts if part.run.start in offsets)


def _indexed(found: SourceFiles, source: SourceSettings, wanted: Wanted) -> Candidates:
    """Return the pages of the streams that have the page, mostly one, or else the titles in the indexes."""
    indexed = [(one, one.index) for one in found.files if one.index is not None]
    place = Whereabouts.parse(wanted.where or "")
    streams: list[tuple[Site, dump.Streams]] = []
    for one, index in indexed:
        if place:
            offsets = [place.stream] if one.file.name == place.file else []
        else:
            offsets = sorted({line.offset for line in read_index(index) if wanted.matches(_listed(line))})
        if offsets:
            wiki, parts = dump.plan_multistream(one.file, index, unit_bytes=1)
            streams += [(as_asked(wiki, source), part) for part in parts if _has_any(part, offsets)]
    if streams:
        pages = (part.pages_with_xml(site, source.max_page_bytes) for site, part in streams)
        return Candidates(streams[0][0], True, itertools.chain.from_iterable(pages), found)
    lines = itertools.chain.from_iterable(read_index(index) for _, index in indexed)
    return Candidates(Site(), True, ((_listed(line), b"") for line in lines), found)


def _has_any(part: dump.Streams, offsets: Sequence[int]) -> bool:
    """Return whether one of these, which are sorted, lies in the part."""
    first = bisect.bisect_left(offsets, part.run.start)
    return first < len(offsets) and offsets[first] < part.run.end


def _listed(line: Line) -> Dropped:
    return Dropped(line.page_id, line.title, "not looked at")
