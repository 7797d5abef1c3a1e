"""Take a batch of articles through the steps, each of which makes a new batch, and count what it adds to the ledger."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.articles import (
    NO_ARTICLES,
    NO_IDENTITIES,
    NO_SHARE,
    NO_SPLIT,
    ONLY,
    REDIRECT,
    Articles,
    DeadLetter,
    Identities,
    Pages,
    Selection,
    Texts,
    Wiki,
)
from pipeline.duplicates import NO_PRINTS, Prints, prints_of
from pipeline.output import wiki_column
from pipeline.prose.cleaner import Cleaner
from pipeline.prose.plain import blank_texts
from pipeline.settings import ShardsSettings
from pipeline.tokens import NO_TAIL, Encoder, Rows, Tail, TokenIds, cut_rows
from wikilm.shards import EMPTY_TEXT, NOT_IN_SHARE, NOT_TAKEN, REPEATED, SPLITS, Counts

T = TypeVar("T")
U = TypeVar("U")

NOTHING = Counts(
    pages=0, articles=0, redirects=0, left_out={}, dead_letters=0, train_articles=0, validation_articles=0,
    text_bytes=0, tokens=0, train_chunks=0, validation_chunks=0, tail_tokens=0,
)  # fmt: skip


@dataclass(frozen=True)
class Batch(Generic[T]):
    """Some articles on their way.

    Attributes:
        articles: which ones.
        splits: int8 [articles], indices into `SPLITS`.
        content: what they are by now: texts (a pyarrow string array), `TokenIds`, then rows by split.
        counts: what these pages add to the ledger.
        dead_letters: the pages that could not be read or cleaned.
        identities: of all that was read, positions counted from the first page of the unit.
        prints: of the texts, where they are to be compared with others.
    """

    articles: Articles
    splits: NDArray[np.int8]
    content: T
    counts: Counts = NOTHING
    dead_letters: tuple[DeadLetter, ...] = ()
    identities: Identities = NO_IDENTITIES
    prints: Prints = NO_PRINTS

    def with_content(self, content: U, **counts: Any) -> "Batch[U]":
        """Return the same articles after a step: other content, and these counts set."""
        counted = self.counts.model_copy(update=counts)
        return Batch(self.articles, self.splits, content, counted, self.dead_letters, self.identities, self.prints)

    def of_split(self, split: str) -> Articles:
        """Return the articles of one split."""
        return self.articles.only(self.splits == SPLITS.index(split))


def take(
    pages: Pages,
    selection: Selection,
    first: int = 0,
    repeated: NDArray[np.int64] = NO_IDENTITIES.positions,
    wiki: Wiki = ONLY,
) -> Batch[Texts]:
    """Take the articles that are selected, each with its split, and count all other pages by their reasons.

    Args:
        pages: as they were read.
        selection: which articles are taken.
        first: position of the first of these pages in the unit.
        repeated: int64, sorted, positions in the unit of articles and redirects of which there is a newer one.
        wiki: whose pages they are.
    """
    dead, dropped = len(pages.dead_letters), dict(pages.dropped)
    older = repeated[np.searchsorted(repeated, first) : np.searchsorted(repeated, first + pages.count)] - first
    once = ~np.isin(pages.articles.positions, older)
    articles = int(np.count_nonzero(once))
    redirects = dropped.pop(REDIRECT, 0) - (len(older) - (len(once) - articles))
    splits = np.where(once, selection.splits_of(pages.articles.page_ids.tolist(), wiki), NO_SPLIT)
    taken = splits >= 0
    beyond = int(np.count_nonzero(splits == NO_SHARE))
    identities = replace(pages.identities, positions=pages.identities.positions + first)
    counts = NOTHING.model_copy(
        update={
            "pages": pages.count,
            "articles": articles + dead,
            "redirects": redirects,
            "left_out": dropped
            | left_out(REPEATED, len(older))
            | left_out(NOT_IN_SHARE, beyond)
            | left_out(NOT_TAKEN, articles - beyond - int(np.count_nonzero(taken))),
            "dead_letters": dead,
        }
    )
    return _only(Batch(pages.articles, splits, pages.texts, counts, pages.dead_letters, identities), taken)


def clean(batch: Batch[Texts], cleaner: Cleaner) -> Batch[Texts]:
    """Turn the texts into prose. What cannot be cleaned is a dead letter, what has no prose is left out."""
    texts, dead, unknown_tags = cleaner.prose_of_all(batch.articles, batch.content)
    alive = np.ones(len(texts), bool) if not dead else np.asarray(texts.is_valid())
    empty = blank_texts(texts.fill_null("x")) & alive
    cleaned = _only(replace(batch, content=texts, dead_letters=batch.dead_letters + dead), alive & ~empty)
    return cleaned.with_content(
        cleaned.content,
        left_out=batch.counts.left_out | left_out(EMPTY_TEXT, int(np.count_nonzero(empty))),
        text_bytes=pc.sum(pc.binary_length(cleaned.content)).as_py() or 0,
        dead_letters=batch.counts.dead_letters + len(dead),
        unknown_tags=unknown_tags,
        **{f"{name}_articles": int(np.count_nonzero(cleaned.splits == i)) for i, name in enumerate(SPLITS)},
    )


def take_prints(batch: Batch[Texts], shards: ShardsSettings) -> Batch[Texts]:
    """Take the prints of the texts, by which copies are found."""
    return replace(batch, prints=prints_of(batch.content, shards))


def encode(batch: Batch[Texts], encoder: Encoder) -> Batch[TokenIds]:
    """Encode the texts as token ids."""
    return batch.with_content(encoder.encode_batch(batch.content))


def cut(
    batch: Batch[TokenIds], shards: ShardsSettings, end_of_text_id: int, tails: Mapping[str, Tail]
) -> Batch[dict[str, Rows]]:
    """Cut the token ids into rows, by split.

    Args:
        batch: token ids.
        shards: how rows are cut.
        end_of_text_id: the id that ends an article in `pack` chunking.
        tails: split -> the ids that the batches before have left over.
    """
    rows = {}
    for number, split in enumerate(SPLITS):
        chosen = batch.splits == number
        page_ids, ids = batch.articles.page_ids[chosen], batch.content.only(chosen)
        rows[split] = cut_rows(page_ids, ids, shards.chunking, shards.chunk_tokens, end_of_text_id, tails[split])
    return batch.with_content(
        rows,
        tokens=sum(of_split.tokens for of_split in rows.values()),
        tail_tokens=sum(of_split.left_out for of_split in rows.values()),
        **{f"{split}_chunks": len(of_split.input_ids) for split, of_split in rows.items()},
    )


def last_tails(tails: Mapping[str, Tail]) -> Batch[dict[str, Rows]]:
    """Return a batch without articles, which counts the ids that fill no row in the end."""
    counts = NOTHING.model_copy(update={"tail_tokens": sum(len(tail.ids) for tail in tails.values())})
    return Batch(NO_ARTICLES, np.empty(0, np.int8), {}, counts)


def no_tails() -> dict[str, Tail]:
    """Return the tails that there are before the first batch: none."""
    return dict.fromkeys(SPLITS, NO_TAIL)


def without_copies(counts: Counts, copies: pa.Table, splits: NDArray[np.int8]) -> Counts:
    """Return the ledger of a unit without the articles that are copies.

    Args:
        counts: of all that was encoded; no row is cut yet.
        copies: see `duplicates.read_copies`.
        splits: int8 [copies], indices into `SPLITS`.
    """
    reasons = Counter(copies["reason"].to_pylist())
    fewer = {f"{name}_articles": int(np.count_nonzero(splits == number)) for number, name in enumerate(SPLITS)}
    fewer["text_bytes"] = int(copies["text_bytes"].to_numpy().sum())
    less = {name: getattr(counts, name) - number for name, number in fewer.items()}
    return counts.model_copy(update={"left_out": counts.left_out | reasons, **less})


def left_out(reason: str, count: int) -> dict[str, int]:
    """Return what `Counts.left_out` holds of a reason: nothing where its count is 0."""
    return {reason: count} if count else {}


def table(articles: Articles, rows: Rows, wiki: Wiki = ONLY) -> Sequence[Any]:
    """Return the columns of an articles table (see `wikilm.shards.articles_schema`)."""
    return [
        pa.array(articles.page_ids), pa.array(articles.revision_ids), articles.titles, pa.array(rows.article_tokens),
        *wiki_column(wiki, len(articles)),
    ]  # fmt: skip


def _only(batch: Batch[Texts], kept: NDArray[np.bool_]) -> Batch[Texts]:
    """Keep the articles for which `kept` is true; the counts stay."""
    if kept.all():
        return batch
    texts = batch.content.filter(pa.array(kept))
    return replace(batch, articles=batch.articles.only(kept), splits=batch.splits[kept], content=texts)
