"""Show single rows side by side: what a model was given, what it added, what stands there, in which article."""

from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from probes.model import LoadedModel
from probes.recitation.attempts import START, Attempt
from probes.records import Count, Nats
from wikilm.shards import SPLITS, ShardFolder
from wikilm.shards.origins import locate


@dataclass(frozen=True)
class Span:
    """A piece of text that is, or is not, the same on both sides."""

    text: str
    equal: bool


@dataclass(frozen=True)
class Article:
    """An article that a text is of."""

    page_id: int
    title: str
    url: str | None
    wiki: str | None = None  # where there are several


@dataclass(frozen=True)
class Example:
    """One row side by side."""

    split: str
    prefix: str
    truth: tuple[Span, ...]
    model: tuple[Span, ...]
    equal_tokens: Count
    place: str = START
    row: int | None = None  # its number in the split
    offset: int = 0  # where in the row the prefix begins
    losses: tuple[Nats, ...] = ()  # nats of each token of the truth
    articles: tuple[Article, ...] = ()  # of prefix and truth, in the order of the text


def examples(loaded: LoadedModel, shards: ShardFolder, made: Attempt, count: int, seed: int) -> list[Example]:
    """Choose a seeded handful of rows, in the order of the shards: not the best ones."""
    count = min(count, len(made.truth))
    drawn = np.random.default_rng([seed, SPLITS.index(made.split), 1]).choice(len(made.truth), count, replace=False)
    return [_example(loaded, shards, made, int(index)) for index in np.sort(drawn)]


def _example(loaded: LoadedModel, shards: ShardFolder, made: Attempt, index: int) -> Example:
    equal = made.equal[index]
    row, offset = int(made.rows[index]), int(made.offsets[index])
    end = offset + made.prefixes.shape[1] + made.truth.shape[1]
    return Example(
        made.split,
        decode(loaded, made.prefixes[index]),
        spans(loaded, made.truth[index], equal),
        spans(loaded, made.added[index], equal),
        int(equal.sum()),
        made.place,
        row,
        offset,
        tuple(made.losses[index].tolist()),
        articles_of(shards, made.split, row, (offset, end)),
    )


def articles_of(shards: ShardFolder, split: str, row: int, tokens: tuple[int, int]) -> tuple[Article, ...]:
    """Return the articles of a range of a row's tokens, which ends before the second number."""
    _, _, origins = locate(shards.path, shards.manifest, split, row)
    return tuple(
        Article(origin.page_id, origin.title, origin.url, origin.wiki)
        for origin in origins
        if origin.row_tokens[0] < tokens[1] and tokens[0] < origin.row_tokens[1]
    )


def spans(loaded: LoadedModel, ids: NDArray[np.int64], equal: NDArray[np.bool_]) -> tuple[Span, ...]:
    """Return the text of `ids`, cut where equal and unequal tokens meet."""
    pairs = zip(ids.tolist(), equal.tolist(), strict=True)
    return tuple(
        Span(decode(loaded, [i for i, _ in group]), same) for same, group in groupby(pairs, key=lambda pair: pair[1])
    )


def decode(loaded: LoadedModel, ids: NDArray[np.int64] | list[int]) -> str:
    """Return the text of token ids."""
    return str(loaded.tokenizer.decode(ids, clean_up_tokenization_spaces=False))
