"""Find single pages of a source by title or id."""

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline.articles.article import Dropped, Page
from pipeline.articles.site import Site
from pipeline.settings import SourceSettings
from pipeline.source import dump, parquet
from pipeline.source.dump_index import Line, read_index
from pipeline.source.listing import SourceFiles
from pipeline.source.plan import Part, plan

Pages = Iterator[tuple[Page, bytes]]


@dataclass(frozen=True)
class Wanted:
    """The page that a user asked for: by its title, its page id, or the place that a dead letter names."""

    title: str | None = None
    page_id: int | None = None
    where: str | None = None

    def matches(self, page: Page) -> bool:
        """Whether this is the page."""
        if self.title is not None:
            return page.title == self.title
        if self.page_id is not None:
            return page.page_id == self.page_id
        return not isinstance(page, Dropped) and page.where == self.where


def _indexed(found: SourceFiles, source: SourceSettings, wanted: Wanted) -> tuple[Site, bool, Pages]:
    """The pages of the one stream that has the page, or else titles only: those of the indexes."""
    indexed = [(one, one.index) for one in found.files if one.index is not None]
    named = re.fullmatch("(.*), byte [0-9]+ of the text of the stream at byte ([0-9]+)", wanted.where or "", re.DOTALL)
    for one, index in indexed:
        if named:
            offsets = [int(named[2])] if one.file.name == named[1] else []
        else:
            offsets = [line.offset for line in read_index(index) if wanted.matches(_listed(line))][:1]
        for offset in offsets:
            site, parts = dump.plan_multistream(one.file, index, unit_bytes=1)
            streams = (part for part in parts if part.run.start <= offset < part.run.end)
            return site, True, _raw(streams, site, source.max_page_bytes)
    lines = itertools.chain.from_iterable(read_index(index) for _, index in indexed)
    return Site(), True, ((_listed(line), b"") for line in lines)


def _listed(line: Line) -> Dropped:
    return Dropped(line.page_id, line.title, "not looked at")


def _all(found: SourceFiles, source: SourceSettings) -> tuple[Site, bool, Pages]:
    site, planned = plan(found, source.unit_bytes)
    parts = itertools.chain.from_iterable(planned)
    return site, found.kind != "parquet", _raw(parts, site, source.max_page_bytes)


def _raw(parts: Iterable[Part], site: Site, max_page_bytes: int) -> Iterator[tuple[Page, bytes]]:
    """The pages of some parts, each with its XML if there is any."""
    for part in parts:
        if isinstance(part, parquet.RowGroups):
            yield from ((page, b"") for page in parquet.read(part, max_page_bytes))
        else:
            yield from ((page, raw.xml) for raw, page in dump.read_raw(part, site, max_page_bytes))
