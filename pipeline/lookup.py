"""Look up one page of a source, and lay out for people what the pipeline makes of it."""

import difflib
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline import dump, parquet
from pipeline.article import Article, DeadLetter, Dropped, Page
from pipeline.chunk import Ids, chunk
from pipeline.encoder import Encoder
from pipeline.index import Line, read_index
from pipeline.settings import ShardsSettings, SourceSettings
from pipeline.site import Site
from pipeline.source import Part, plan
from pipeline.source_files import SourceFiles, find_files
from pipeline.unit import clean_article
from wikilm.errors import RunError
from wikilm.terminal import visible

Pages = Iterator[tuple[Page, bytes]]
MANY_TITLES = 100_000  # after so many, only those that begin alike are kept to look for near ones


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


@dataclass(frozen=True)
class Found:
    """An article, and its prose."""

    article: Article
    text: str


@dataclass(frozen=True)
class Dead:
    """A page that cannot be read or cleaned, and what there is of it: XML, wikitext, or nothing (rows of Parquet)."""

    letter: DeadLetter
    raw: str


def find(source: SourceSettings, wanted: Wanted) -> Found | Dead:
    """Look a page up, and clean it if it is an article.

    Raises:
        RunError: the source has no such page (near titles are named), or the page is no article.
    """
    found = find_files(source)
    looked_up = _indexed(found, source, wanted) if found.kind == "multistream" else _all(found, source)
    site, is_wikitext, pages = looked_up
    titles = _Titles(wanted.title or "")
    for page, xml in pages:
        if not wanted.matches(page):
            titles.add(page.title)
        elif isinstance(page, Dropped):
            raise RunError(f"{source.path}: {visible(page.title)!r} is left out ({page.reason}); name another page")
        elif isinstance(page, DeadLetter):
            return Dead(page, xml.decode("utf-8", "backslashreplace"))
        else:
            text = clean_article(page, site, is_wikitext, source.max_page_seconds)
            return Dead(text, page.text) if isinstance(text, DeadLetter) else Found(page, text)
    if wanted.title is not None:
        raise RunError(f"{source.path}: has no page {visible(wanted.title)!r}; {near(wanted.title, titles.kept)}")
    which = f"with id {wanted.page_id}" if wanted.page_id is not None else f"at {visible(wanted.where or '')!r}"
    raise RunError(f"{source.path}: has no page {which}; name another one, or a --title")


class _Titles:
    """Titles that a user may have meant; bounded, however many pages a source has."""

    def __init__(self, title: str) -> None:
        self._start, self.kept = title[:3].casefold(), list[str]()

    def add(self, title: str) -> None:
        if len(self.kept) < MANY_TITLES or title[:3].casefold() == self._start:
            self.kept.append(title)


def near(title: str, titles: Iterable[str]) -> str:
    """What else a user may have meant."""
    by_key = {other.casefold(): other for other in titles}
    close = [by_key[key] for key in difflib.get_close_matches(title.casefold(), by_key, n=3)]
    if not close:
        return "it has none with a title like that either"
    return "did you mean " + ", ".join(repr(visible(other)) for other in close) + "?"


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


def columns_of(found: Found, encoder: Encoder | None, shards: ShardsSettings | None) -> list[tuple[str, str]]:
    """Raw and clean text, and with a tokenizer also tokens and chunks, each under its heading."""
    article, text = found.article, found.text
    columns = [
        (f"raw: {len(article.text.encode()):,} bytes", article.text),
        (f"clean: {len(text.encode()):,} bytes", text),
    ]
    if encoder is None or shards is None:
        return columns
    [ids] = encoder.encode_batch([text])
    pieces = "|".join(encoder.decode([token]).replace(" ", "·").replace("\n", "⏎") for token in ids)
    return [*columns, (f"tokens: {len(ids):,}", pieces), _chunks(article.page_id, ids, encoder, shards)]


def _chunks(page_id: int, ids: Ids, encoder: Encoder, shards: ShardsSettings) -> tuple[str, str]:
    rows = chunk([(page_id, ids)], shards.chunking, shards.chunk_tokens, encoder.end_of_text_id)
    heading = f"chunks: {len(rows.input_ids)} of {shards.chunk_tokens}, {rows.tail_tokens} tokens left over"
    texts = [f"[{number}] " + " ".join(map(str, row)) for number, row in enumerate(rows.input_ids)]
    return heading, "\n".join(texts)


def dead_page(dead: Dead) -> Iterator[str]:
    """The lines that show a dead letter: where it lies, why it is one, and what there is of it."""
    letter, size = dead.letter, len(dead.raw.encode())
    yield f"{visible(letter.title) or 'no title'} (page {letter.page_id or 'without id'})"
    yield f"where: {visible(letter.where)}"
    yield f"error: {visible(letter.error)}"
    if dead.raw:
        cut = dead.raw.startswith("<page") and not dead.raw.endswith("</page>")
        yield f"raw:   {size:,} bytes{', without its end' if cut else ''}"
        yield ""
        yield from map(visible, dead.raw.split("\n"))
