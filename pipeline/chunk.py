"""Token ids of articles in, rows of exactly `chunk_tokens` ids out, and how many ids were left over."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.uint32]


@dataclass(frozen=True)
class Rows:
    """What one side of one work unit became.

    Attributes:
        input_ids: uint32 [rows, chunk_tokens].
        page_ids: int64 [rows]: the article in which each row's first token lies.
        tokens: ids that went in, end-of-text included: rows x chunk_tokens + tail_tokens.
        tail_tokens: ids that filled no row.
    """

    input_ids: Ids
    page_ids: NDArray[np.int64]
    tokens: int
    tail_tokens: int


def pack(articles: Sequence[tuple[int, Ids]], chunk_tokens: int, end_of_text_id: int) -> Rows:
    """One stream, every article followed by one end-of-text id, cut into rows; only the last tail is left over.

    Args:
        articles: (page id, uint32 ids) in the order of the source.
        chunk_tokens: ids per row.
        end_of_text_id: the id that ends an article.
    """
    end = np.array([end_of_text_id], dtype=np.uint32)
    pieces = [piece for _, ids in articles for piece in (ids, end)]
    stream = np.concatenate(pieces) if pieces else np.empty(0, np.uint32)
    rows = len(stream) // chunk_tokens
    ends = np.cumsum([len(ids) + 1 for _, ids in articles], dtype=np.int64)
    # The article of a position is the first one that ends after it.
    starts = np.arange(rows, dtype=np.int64) * chunk_tokens
    pages = np.array([page_id for page_id, _ in articles], dtype=np.int64)
    return _rows(stream, rows, chunk_tokens, pages[np.searchsorted(ends, starts, side="right")])


def document(articles: Sequence[tuple[int, Ids]], chunk_tokens: int) -> Rows:
    """Every article by itself, cut into rows; its short tail is left over.

    The same rows as the `transformers` recipe `tokenizer(texts, truncation=True, max_length=chunk_tokens,
    return_overflowing_tokens=True, return_length=True)` where only those of full length are kept. It adds no
    end-of-text, and neither does this.

    Args:
        articles: (page id, uint32 ids) in the order of the source.
        chunk_tokens: ids per row.
    """
    counts = np.array([len(ids) // chunk_tokens for _, ids in articles], dtype=np.int64)
    pieces = [ids[: count * chunk_tokens] for (_, ids), count in zip(articles, counts, strict=True)]
    stream = np.concatenate(pieces) if pieces else np.empty(0, np.uint32)
    pages = np.array([page_id for page_id, _ in articles], dtype=np.int64)
    rows = _rows(stream, int(counts.sum()), chunk_tokens, np.repeat(pages, counts))
    tokens = sum(len(ids) for _, ids in articles)
    return Rows(rows.input_ids, rows.page_ids, tokens, tokens - rows.tokens)


def chunk(articles: Sequence[tuple[int, Ids]], chunking: str, chunk_tokens: int, end_of_text_id: int) -> Rows:
    """`pack` or `document`, as `chunking` says."""
    if chunking == "pack":
        return pack(articles, chunk_tokens, end_of_text_id)
    return document(articles, chunk_tokens)


def _rows(stream: Ids, rows: int, chunk_tokens: int, page_ids: NDArray[np.int64]) -> Rows:
    used = rows * chunk_tokens
    input_ids = stream[:used].reshape(rows, chunk_tokens)
    return Rows(input_ids, page_ids, tokens=len(stream), tail_tokens=len(stream) - used)
