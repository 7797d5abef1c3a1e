"""Gather the pages of a source into batches, articles column by column: the form that they keep up to the shards."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.articles.article import REDIRECT, Article, DeadLetter, Dropped, Page

BATCH_PAGES, BATCH_CHARACTERS = 256, 1 << 20  # bounded, yet so large that the steps' own cost does not show
Texts = Any  # a pyarrow string array without nulls


def utf8_of(texts: Texts) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the UTF-8 of texts, one after another and not copied, and where each begins in it and the last one ends.

    Args:
        texts: pyarrow string or large_string array without nulls.

    Returns:
        uint8 [bytes], and int64 [texts + 1], whose first is 0.
    """
    kind = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    offsets = np.frombuffer(texts.buffers()[1] or bytes(8), kind)[texts.offset :][: len(texts) + 1].astype(np.int64)
    data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    return data, offsets - offsets[0]


@dataclass(frozen=True)
class Articles:
    """Which articles a batch holds, in the order of the source.

    Attributes:
        page_ids: int64 [articles].
        revision_ids: int64 [articles]; 0 where the source does not say.
        titles: pyarrow string array [articles].
        positions: int64 [articles], the place of each among the pages of the batch, from 0.
        where: [articles], the place of each in the source, for a dead letter; empty where no later step can fail.
    """

    page_ids: NDArray[np.int64]
    revision_ids: NDArray[np.int64]
    titles: Any
    positions: NDArray[np.int64]
    where: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.page_ids)

    def only(self, kept: NDArray[np.bool_]) -> "Articles":
        """Keep those articles for which `kept`, bool [articles], is true."""
        where = [place for place, keep in zip(self.where, kept, strict=True) if keep] if self.where else ()
        titles = self.titles.filter(pa.array(kept))
        return Articles(self.page_ids[kept], self.revision_ids[kept], titles, self.positions[kept], where)

    def dead_letter(self, number: int, error: str) -> DeadLetter:
        """Make a dead letter of one of these articles."""
        return DeadLetter(int(self.page_ids[number]), self.titles[number].as_py(), self.where[number], error)


_NONE = np.empty(0, np.int64)
NO_ARTICLES = Articles(_NONE, _NONE, pa.array([], pa.string()), _NONE)


@dataclass(frozen=True)
class Identities:
    """Which pages of a batch, redirects too, could be another one's earlier or later revision.

    Attributes:
        page_ids: int64 [pages].
        timestamps: int64 [pages], of the revision: 20240131235959; 0 where the source does not say.
        positions: int64 [pages], the place of each among the pages of the batch, from 0.
    """

    page_ids: NDArray[np.int64]
    timestamps: NDArray[np.int64]
    positions: NDArray[np.int64]


NO_IDENTITIES = Identities(_NONE, _NONE, _NONE)


@dataclass(frozen=True)
class Pages:
    """Some pages of a source, in its order.

    Attributes:
        articles: those that are articles.
        texts: pyarrow string array [articles]: wikitext (dumps) or plain text (Parquet).
        count: how many pages there are, dead letters too.
        identities: of the articles and redirects.
        dropped: reason -> number of pages that are no articles.
        dead_letters: those that cannot be read.
    """

    articles: Articles
    texts: Texts
    count: int
    identities: Identities
    dropped: Mapping[str, int] = field(default_factory=dict)
    dead_letters: tuple[DeadLetter, ...] = ()


def gather(pages: Iterable[Page]) -> Iterator[Pages]:
    """Yield pages in batches, each of about `BATCH_CHARACTERS` of text; the last may be empty."""
    some: list[Page] = []
    size = 0
    for page in pages:
        some.append(page)
        size += len(page.text) if isinstance(page, Article) else 0
        if len(some) >= BATCH_PAGES or size >= BATCH_CHARACTERS:
            yield in_columns(some)
            some, size = [], 0
    yield in_columns(some)


def in_columns(pages: Sequence[Page]) -> Pages:
    """Put pages into one batch."""
    articles = [(position, page) for position, page in enumerate(pages) if isinstance(page, Article)]
    identified = [
        (page.page_id, page.timestamp, position) for position, page in enumerate(pages)
        if isinstance(page, Article) or (isinstance(page, Dropped) and page.reason == REDIRECT)
    ]  # fmt: skip
    return Pages(
        Articles(
            np.array([article.page_id for _, article in articles], np.int64),
            np.array([article.revision_id for _, article in articles], np.int64),
            pa.array([article.title for _, article in articles], pa.string()),
            np.array([position for position, _ in articles], np.int64),
            [article.where for _, article in articles],
        ),
        pa.array([article.text for _, article in articles], pa.string()),
        len(pages),
        Identities(*np.array(identified, np.int64).reshape(-1, 3).T),
        Counter(page.reason for page in pages if isinstance(page, Dropped)),
        tuple(page for page in pages if isinstance(page, DeadLetter)),
    )
