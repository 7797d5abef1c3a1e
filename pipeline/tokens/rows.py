"""Cut the token ids of articles into rows of exactly `chunk_tokens` ids, and count the ids that fill none."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.uint32]


@dataclass(frozen=True)
class Tail:
    """Ids that fill no row yet, and the article in which the first of them lies."""

    page_id: int
    ids: Ids


NO_TAIL = Tail(0, np.empty(0, np.uint32))


@dataclass(frozen=True)
class Rows:
    """What some articles of one split of one work unit became.

    Attributes:
        input_ids: uint32 [rows, chunk_tokens].
        page_ids: int64 [rows], the article in which each row's first token lies.
        article_tokens: int64 [articles], ids that each article put in, its end-of-text included.
        left_out: ids that are in no row for good.
        tail: ids that are in no row unless further articles fill one up.
    """

    input_ids: Ids
    page_ids: NDArray[np.int64]
    article_tokens: NDArray[np.int64]
    left_out: int = 0
    tail: Tail = NO_TAIL

    @property
    def tokens(self) -> int:
        """Ids of these articles, end-of-text included."""
        return int(self.article_tokens.sum())

    @property
    def tail_tokens(self) -> int:
        """Ids that filled no row, where no further articles come: tokens = rows x chunk_tokens + tail_tokens."""
        return self.left_out + len(self.tail.ids)


def pack(articles: Sequence[tuple[int, Ids]], chunk_tokens: int, end_of_text_id: int, before: Tail = NO_TAIL) -> Rows:
    """Cut one stream of articles, each followed by one end-of-text id, into rows; only the last tail is left over.

    Cut batch by batch, each with the tail of the one before, articles give the same rows as cut all at once.

    Args:
        articles: (page id, uint32 ids) in the order of the source.
        chunk_tokens: ids per row.
        end_of_text_id: the id that ends an article.
        before: the tail of the articles before these.
    """
    end = np.array([end_of_text_id], dtype=np.uint32)
    tokens = np.array([len(ids) + 1 for _, ids in articles], dtype=np.int64)
    stream = np.concatenate([before.ids, *(piece for _, ids in articles for piece in (ids, end))])
    pages = np.array([before.page_id, *(page_id for page_id, _ in articles)], dtype=np.int64)
    ends = len(before.ids) + np.concatenate([[0], np.cumsum(tokens)])
    rows = len(stream) // chunk_tokens
    used = rows * chunk_tokens
    # The article of a position is the first one that ends after it; a tail, too, starts at one.
    starts = np.arange(rows + (used < len(stream)), dtype=np.int64) * chunk_tokens
    of_rows = pages[np.searchsorted(ends, starts, side="right")]
    # A copy, since a view would keep the whole stream in memory.
    tail = Tail(int(of_rows[-1]), stream[used:].copy()) if used < len(stream) else NO_TAIL
    return Rows(stream[:used].reshape(rows, chunk_tokens), of_rows[:rows], tokens, tail=tail)


def document(articles: Sequence[tuple[int, Ids]], chunk_tokens: int) -> Rows:
    """Cut every article by itself into rows; its short tail is left over.

    The same rows as the `transformers` recipe `tokenizer(texts, truncation=True, max_length=chunk_tokens,
    return_overflowing_tokens=True, return_length=True)` where only those of full length are kept. It adds no
    end-of-text, and neither does this.

    Args:
        articles: (page id, uint32 ids) in the order of the source.
        chunk_tokens: ids per row.
    """
    tokens = np.array([len(ids) for _, ids in articles], dtype=np.int64)
    counts = tokens // chunk_tokens
    pieces = [ids[: count * chunk_tokens] for (_, ids), count in zip(articles, counts, strict=True)]
    stream = np.concatenate(pieces) if pieces else NO_TAIL.ids
    pages = np.array([page_id for page_id, _ in articles], dtype=np.int64)
    input_ids = stream.reshape(int(counts.sum()), chunk_tokens)
    return Rows(input_ids, np.repeat(pages, counts), tokens, left_out=int(tokens.sum()) - len(stream))


def cut_rows(
    articles: Sequence[tuple[int, Ids]], chunking: str, chunk_tokens: int, end_of_text_id: int, before: Tail = NO_TAIL
) -> Rows:
    """Cut rows by `pack` or by `document`, as `chunking` says."""
    if chunking == "pack":
        return pack(articles, chunk_tokens, end_of_text_id, before)
    return document(articles, chunk_tokens)
