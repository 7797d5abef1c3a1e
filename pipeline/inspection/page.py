"""Follow one page of a source through the pipeline, and lay out for people what it becomes."""

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from pipeline.articles import REDIRECT, Article, DeadLetter, Dropped, Page
from pipeline.inspection.origins import NO_TITLE
from pipeline.prose.cleaner import Cleaner
from pipeline.prose.template_names import normal
from pipeline.prose.templates import MAX_CHAIN, is_known
from pipeline.settings import ShardsSettings, SourceSettings
from pipeline.source import Candidates, Wanted, candidates, template_redirects
from pipeline.tokens import Encoder, TokenIds, cut_rows
from wikilm.errors import RunError
from wikilm.terminal import visible

_TEMPLATE = re.compile(r"\{\{\s*(?:[^{}|<>\[\]\n:]{1,60}:)?([^{}|<>\[\]:]{1,255})")
READ_ON_BYTES = 32 << 20  # as stored, of a source without an index that is read to its end for a newer revision
MANY_TITLES = 100_000  # after so many, only those that begin alike are kept to look for near ones


@dataclass(frozen=True)
class Found:
    """An article, its prose, and what the user should know of how it was found; mostly nothing."""

    article: Article
    text: str
    note: str = ""


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
    found = candidates(source, wanted)
    cleaner = Cleaner.of(found.site, found.is_wikitext, source.max_page_seconds, source.templates)
    titles = _Titles(wanted.title or "")
    newest, note = _newest(found, wanted, titles, source.path)
    if newest is not None:
        shown = _looked_at(*newest, source, found, cleaner)
        return replace(shown, note=note) if isinstance(shown, Found) else shown
    if wanted.title is not None:
        raise RunError(f"{source.path}: has no page {visible(wanted.title)!r}; {near(wanted.title, titles.kept)}")
    which = f"with id {wanted.page_id}" if wanted.page_id is not None else f"at {visible(wanted.where or '')!r}"
    raise RunError(f"{source.path}: has no page {which}; name another one, or a --title")


def _newest(found: Candidates, wanted: Wanted, titles: "_Titles", path: str) -> tuple[tuple[Page, bytes] | None, str]:
    """Return the newest revision of a page, as far as is looked for it, and a note where that is not to the end."""
    newest: tuple[Page, bytes] | None = None
    try:
        for page, xml in found.pages:
            if wanted.matches(page):
                newest = (page, xml) if newest is None or _rank(page) >= _rank(newest[0]) else newest
            elif newest is None:
                titles.add(page.title)
            elif wanted.where is not None:
                break  # of which there is one
            elif not found.is_indexed and found.stored_bytes > READ_ON_BYTES:
                return newest, f"{path} has no index, and is not read on for newer revisions of this page"
    except RunError as error:
        if newest is None:
            raise
        return newest, f"{error}: there may be newer revisions of this page"
    return newest, ""


def _rank(page: Page) -> tuple[bool, int]:
    """Return what orders the revisions of a page as a run does: articles and redirects count, the newest most."""
    if isinstance(page, Article) or (isinstance(page, Dropped) and page.reason == REDIRECT):
        return True, page.timestamp
    return False, 0


def _looked_at(page: Page, xml: bytes, source: SourceSettings, found: Candidates, cleaner: Cleaner) -> Found | Dead:
    if isinstance(page, Dropped):
        raise RunError(f"{source.path}: {visible(page.title)!r} is left out ({page.reason}); name another page")
    if isinstance(page, DeadLetter):
        return Dead(page, xml.decode("utf-8", "backslashreplace"))
    if source.template_redirects and found.is_wikitext:
        cleaner = _with_redirects(cleaner, found, page.text, source)
    text = cleaner.prose(page)
    return Dead(text, page.text) if isinstance(text, DeadLetter) else Found(page, text)


def _with_redirects(cleaner: Cleaner, found: Candidates, text: str, source: SourceSettings) -> Cleaner:
    """Return a cleaner that knows the redirects of the templates in a page, as that of a run does."""
    names = {normal(name) for name in _TEMPLATE.findall(text)}
    redirects: list[tuple[str, str]] = []
    for _ in range(MAX_CHAIN if found.is_indexed else 1):  # elsewhere all of them come at once
        redirects += template_redirects(found, names, source)
        names = {normal(leads_to) for name, leads_to in redirects if normal(name) in names}
        names = {name for name in names if not is_known(name, cleaner.site)}
        if not names:
            break
    return cleaner.with_redirects(lambda: redirects)


class _Titles:
    """Titles that a user may have meant: a bounded number, however many pages the source has."""

    def __init__(self, title: str) -> None:
        self._start, self.kept = title[:3].casefold(), list[str]()

    def add(self, title: str) -> None:
        if len(self.kept) < MANY_TITLES or title[:3].casefold() == self._start:
            self.kept.append(title)


def near(title: str, titles: Iterable[str]) -> str:
    """Suggest titles that the user may have meant."""
    by_key = {other.casefold(): other for other in titles}
    close = [by_key[key] for key in difflib.get_close_matches(title.casefold(), by_key, n=3)]
    if not close:
        return "it has none with a title like that either"
    return "did you mean " + ", ".join(repr(visible(other)) for other in close) + "?"


def columns_of(found: Found, encoder: Encoder | None, shards: ShardsSettings | None) -> list[tuple[str, str]]:
    """Return raw and clean text, and with a tokenizer also tokens and rows, each under its heading."""
    article, text = found.article, found.text
    columns = [
        (f"raw: {len(article.text.encode()):,} bytes", article.text),
        (f"clean: {len(text.encode()):,} bytes", text),
    ]
    if encoder is None or shards is None:
        return columns
    encoded = encoder.encode_batch([text])
    pieces = "|".join(encoder.decode([token]).replace(" ", "·").replace("\n", "⏎") for token in encoded.ids)
    return [*columns, (f"tokens: {len(encoded.ids):,}", pieces), _chunks(article.page_id, encoded, encoder, shards)]


def _chunks(page_id: int, encoded: TokenIds, encoder: Encoder, shards: ShardsSettings) -> tuple[str, str]:
    page_ids = np.array([page_id], np.int64)
    rows = cut_rows(page_ids, encoded, shards.chunking, shards.chunk_tokens, encoder.end_of_text_id)
    heading = f"chunks: {len(rows.input_ids)} of {shards.chunk_tokens}, {rows.tail_tokens} tokens left over"
    texts = [f"[{number}] " + " ".join(map(str, row)) for number, row in enumerate(rows.input_ids)]
    return heading, "\n".join(texts)


def dead_page(dead: Dead) -> Iterator[str]:
    """Lay out a dead letter: where it lies, why it is one, and what there is of it."""
    letter, size = dead.letter, len(dead.raw.encode())
    yield f"{visible(letter.title) or NO_TITLE} (page {'without id' if letter.page_id is None else letter.page_id})"
    yield f"where: {visible(letter.where)}"
    yield f"error: {visible(letter.error)}"
    if dead.raw:
        cut = dead.raw.startswith("<page") and not dead.raw.endswith("</page>")
        yield f"raw:   {size:,} bytes{', without its end' if cut else ''}"
        yield ""
        yield from map(visible, dead.raw.split("\n"))
