"""A work unit in, batches of its articles out: column by column, and with what they add to the ledger."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.articles import split
from pipeline.articles.article import DeadLetter
from pipeline.articles.columns import Pages, Texts
from pipeline.articles.site import Site
from pipeline.articles.split import Selection
from pipeline.source.plan import WorkUnit
from wikilm.shards.manifest import NOT_TAKEN, Counts

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
    """Read a unit, and sort its articles by split; all else is counted by its reason."""
    return (_taken(pages, selected) for pages in unit.batches(site))


def some(reason: str, count: int) -> dict[str, int]:
    """What `Counts.left_out` holds of a reason: nothing where there is none."""
    return {reason: count} if count else {}


def _taken(pages: Pages, selected: Selection) -> Batch[Texts]:
    """A batch of those articles that are taken."""
    found, dead, dropped = pages.articles, len(pages.dead_letters), dict(pages.dropped)
    redirects = dropped.pop("redirect", 0)
    sides = selected.sides(found.page_ids.tolist())
    kept, texts = sides != split.NOT_TAKEN, pages.texts
    articles = Articles(found.page_ids, found.revision_ids, found.titles, sides, found.where)
    counts = NOTHING.model_copy(
        update={
            "pages": len(found) + dead + redirects + sum(dropped.values()),
            "articles": len(found) + dead,
            "redirects": redirects,
            "left_out": dropped | some(NOT_TAKEN, int(np.count_nonzero(~kept))),
            "dead_letters": dead,
        }
    )
    if not kept.all():
        articles, texts = articles.only(kept), texts.filter(pa.array(kept))
    return Batch(articles, texts, counts, pages.dead_letters)
