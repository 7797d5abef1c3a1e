"""Cut the token ids of articles into rows of exactly `chunk_tokens` ids, and count the ids that fill none."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Ids = NDArray[np.uint16] | NDArray[np.uint32]  # the former where all ids of a vocabulary fit, as in shards
_NONE: Ids = np.empty(0, np.uint32)


@dataclass(frozen=True)
class TokenIds:
    """The token ids of some articles, in one array: to take them apart would cost more than to encode them.

    Attributes:
        ids: uint16 or uint32 [tokens], article after article.
        offsets: int64 [articles + 1], where each article begins in `ids`, and where the last one ends.
    """

    ids: Ids
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[Ids]:
        return (self.ids[start:end] for start, end in pairwise(self.offsets.tolist()))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many ids each article has: int64 [articles]."""
        return np.diff(self.offsets)

    def only(self, kept: NDArray[np.bool_]) -> "TokenIds":
        """Keep those articles for which `kept`, bool [articles], is true; neighbors are copied together."""
        if kept.all():
            return self
        edges = self.offsets[np.flatnonzero(np.diff(kept, prepend=False, append=False))].tolist()
        runs = [self.ids[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
        return TokenIds(np.concatenate([self.ids[:0], *runs]), _offsets(self.lengths[kept]))


def token_ids(articles: Sequence[Ids]) -> TokenIds:
    """Put the token ids of articles, uint32 [tokens] each, into one array."""
    lengths = np.array([len(ids) for ids in articles], np.int64)
    return TokenIds(np.concatenate([_NONE, *articles]), _offsets(lengths))


def _offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


@dataclass(frozen=True)
class Tail:
    """Ids that fill no row yet, and the article in which the first of them lies."""

    page_id: int
    ids: Ids


NO_TAIL = Tail(0, _NONE)


@dataclass(frozen=True)
class Rows:
    """What some articles of one split of one work unit became.

    Attributes:
        input_ids: uint16 or uint32 [rows, chunk_tokens].
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


def pack(
    page_ids: NDArray[np.int64], articles: TokenIds, chunk_tokens: int, end_of_text_id: int, before: Tail = NO_TAIL
) -> Rows:
    """Cut one stream of articles, each followed by one end-of-text id, into rows; only the last tail is left over.

    Cut batch by batch, each with the tail of the one before, articles give the same rows as cut all at once.

    Args:
        page_ids: int64 [articles], in the order of the source.
        articles: their ids.
        chunk_tokens: ids per row.
        end_of_text_id: the id that ends an article.
        before: the tail of the articles before these.
    """
    ends = len(before.ids) + articles.offsets + np.arange(len(articles) + 1)
    # Few operations on long arrays: many on short ones would make two threads wait for each other's turn.
    stream = np.empty(int(ends[-1]), articles.ids.dtype)
    is_text = np.ones(len(stream), np.bool_)
    is_text[: len(before.ids)] = is_text[ends[1:] - 1] = False
    stream[: len(before.ids)] = before.ids
    stream[is_text] = articles.ids
    stream[ends[1:] - 1] = end_of_text_id
    rows = len(stream) // chunk_tokens
    used = rows * chunk_tokens
    # The article of a position is the first one that ends after it; a tail, too, starts at one.
    starts = np.arange(rows + (used < len(stream)), dtype=np.int64) * chunk_tokens
    of_rows = np.append(before.page_id, page_ids)[np.searchsorted(ends, starts, side="right")]
    # A copy, since a view would keep the whole stream in memory.
    tail = Tail(int(of_rows[-1]), stream[used:].copy()) if used < len(stream) else NO_TAIL
    return Rows(stream[:used].reshape(rows, chunk_tokens), of_rows[:rows], articles.lengths + 1, tail=tail)


def document(page_ids: NDArray[np.int64], articles: TokenIds, chunk_tokens: int) -> Rows:
    """Cut every article by itself into rows; its short tail is left over.

    The same rows as the `transformers` recipe `tokenizer(texts, truncation=True, max_length=chunk_tokens,
    return_overflowing_tokens=True, return_length=True)` where only those of full length are kept. It adds no
    end-of-text, and neither does this.

    Args:
        page_ids: int64 [articles], in the order of the source.
        articles: their ids.
        chunk_tokens: ids per row.
    """
    lengths = articles.lengths
    counts = lengths // chunk_tokens
    # A row starts where its article does, and as many rows further on as its article has before it.
    first, before = np.repeat([articles.offsets[:-1], np.cumsum(counts) - counts], counts, axis=1)
    starts = first + (np.arange(len(first)) - before) * chunk_tokens
    fits = len(articles.ids) >= chunk_tokens
    windows = sliding_window_view(articles.ids, chunk_tokens) if fits else articles.ids[:0].reshape(0, chunk_tokens)
    input_ids = windows[starts]
    return Rows(input_ids, np.repeat(page_ids, counts), lengths, left_out=len(articles.ids) - input_ids.size)


def cut_rows(
    page_ids: NDArray[np.int64],
    articles: TokenIds,
    chunking: str,
    chunk_tokens: int,
    end_of_text_id: int,
    before: Tail = NO_TAIL,
) -> Rows:
    """Cut rows by `pack` or by `document`, as `chunking` says."""
    if chunking == "pack":
        return pack(page_ids, articles, chunk_tokens, end_of_text_id, before)
    return document(page_ids, articles, chunk_tokens)
