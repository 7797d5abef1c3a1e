"""A work unit in, batches of its articles out: column by column, and with what they add to the ledger."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.articles import split
from pipeline.articles.article import Article, DeadLetter, Dropped, Page
from pipeline.articles.site import Site
from pipeline.articles.split import Selection
from pipeline.source.parquet import Columns, RowGroups, read_columns
from pipeline.source.plan import WorkUnit, read_unit
from wikilm.shards.manifest import NOT_TAKEN, Counts

ARTICLES, TEXT_BYTES = 256, 1 << 20  # so many make a batch: bounded, yet large enough that no step costs by itself
Texts = Any  # a pyarrow string array without nulls
T = TypeVar("T")
U = TypeVar("U")

NOTHING = Counts(
    pages=0, articles=0, redirects=0, left_out={}, dead_letters=0, train_articles=0, validation_articles=0,
    text_bytes=0, tokens=0, train_chunks=0, validation_chunks=0, tail_tokens=0,
)  # fmt: skip


@dataclass(frozen=True)
class Articles:
    """Which articles a batch is of, in the order of the source.

    Attributes:
        page_ids: int64 [articles].
        revision_ids: int64 [articles]; 0 where the source does not say.
        titles: string [articles].
        sides: [articles], indices into `SPLITS`.
        where: [articles], where each lies, for a dead letter; empty where no step can fail.
        tokens: int64 [articles], ids that each put into the rows and tails; empty until they are cut.
    """

    page_ids: NDArray[np.int64]
    revision_ids: NDArray[np.int64]
    titles: Any
    sides: NDArray[np.int8]
    where: Sequence[str] = ()
    tokens: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def only(self, kept: NDArray[np.bool_]) -> "Articles":
        """Those articles for which `kept` is true."""
        where = [place for place, keep in zip(self.where, kept, strict=True) if keep] if self.where else ()
        titles = self.titles.filter(pa.array(kept))
        tokens = self.tokens[kept] if len(self.tokens) else self.tokens
        return Articles(self.page_ids[kept], self.revision_ids[kept], titles, self.sides[kept], where, tokens)


NO_ARTICLES = Articles(np.empty(0, np.int64), np.empty(0, np.int64), pa.array([], pa.string()), np.empty(0, np.int8))


@dataclass(frozen=True)
class Batch(Generic[T]):
    """Some articles on their way.

    Attributes:
        articles: which ones.
        content: what they are by now: texts (a pyarrow string array), token ids, then rows by side.
        counts: what these pages add to the ledger.
        dead_letters: those of the pages that could not be read or cleaned.
    """

    articles: Articles
    content: T
    counts: Counts = NOTHING
    dead_letters: tuple[DeadLetter, ...] = ()

    def then(self, content: U, **counts: Any) -> "Batch[U]":
        """The same articles in the next step: other content, and these counts set."""
        return Batch(self.articles, content, self.counts.model_copy(update=counts), self.dead_letters)


def read_articles(unit: WorkUnit, site: Site, selected: Selection) -> Iterator[Batch[Texts]]:
    """Read a unit, and sort its articles by side; all else is counted by its reason."""
    for part in unit.parts:
        if isinstance(part, RowGroups):
            for found in read_columns(part, unit.max_page_bytes):
                yield _of_columns(found, selected) if isinstance(found, Columns) else _of_pages(found, selected)
        else:
            for pages in _batches(read_unit(replace(unit, parts=(part,)), site)):
                yield _of_pages(pages, selected)


def _batches(pages: Iterator[Page]) -> Iterator[list[Page]]:
    """Pages, as many at a time as make a batch."""
    some: list[Page] = []
    size = 0
    for page in pages:
        some.append(page)
        size += len(page.text) if isinstance(page, Article) else 0
        if len(some) >= ARTICLES or size >= TEXT_BYTES:
            yield some
            some, size = [], 0
    yield some


def some(reason: str, count: int) -> dict[str, int]:
    """What `Counts.left_out` holds of a reason: nothing where there is none."""
    return {reason: count} if count else {}


def _counted(**counts: Any) -> Counts:
    return NOTHING.model_copy(update=counts)


def _of_columns(found: Columns, selected: Selection) -> Batch[Texts]:
    ids = found.page_ids
    counts = _counted(pages=len(ids), articles=len(ids))
    return _selected(ids, np.zeros_like(ids), found.titles, found.texts, (), selected, counts, ())


def _of_pages(pages: Sequence[Page], selected: Selection) -> Batch[Texts]:
    articles = [page for page in pages if isinstance(page, Article)]
    dead = tuple(page for page in pages if isinstance(page, DeadLetter))
    reasons = Counter(page.reason for page in pages if isinstance(page, Dropped))
    redirects = reasons.pop("redirect", 0)
    counts = _counted(
        pages=len(pages), articles=len(articles) + len(dead), redirects=redirects, left_out=dict(reasons),
        dead_letters=len(dead),
    )  # fmt: skip
    return _selected(
        np.array([article.page_id for article in articles], np.int64),
        np.array([article.revision_id for article in articles], np.int64),
        pa.array([article.title for article in articles], pa.string()),
        pa.array([article.text for article in articles], pa.string()),
        [article.where for article in articles],
        selected,
        counts,
        dead,
    )


def _selected(
    page_ids: Any, revision_ids: Any, titles: Any, texts: Any, where: Sequence[str], selected: Selection,
    counts: Counts, dead: tuple[DeadLetter, ...],
) -> Batch[Texts]:  # fmt: skip
    """A batch of those articles that are on a side."""
    sides = selected.sides(page_ids.tolist())
    articles, kept = Articles(page_ids, revision_ids, titles, sides, where), sides != split.NOT_TAKEN
    left_out = counts.left_out | some(NOT_TAKEN, int(np.count_nonzero(~kept)))
    if not kept.all():
        articles, texts = articles.only(kept), texts.filter(pa.array(kept))
    return Batch(articles, texts, counts.model_copy(update={"left_out": left_out}), dead)
