"""Show single rows side by side: what a model was given, what it added, what stands there, in which article."""

from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from probes.model import LoadedModel
from probes.recitation.attempts import START, Attempt
from probes.records import Count, Nats
from wikilm.shards import SPLITS, Article, Origins, ShardFolder


@dataclass(frozen=True)
class Span:
    """A piece of text that is, or is not, the same on both sides."""

    text: str
    equal: bool


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
    origins = Origins(shards.path, shards.manifest)
    return [_example(loaded, origins, made, int(index)) for index in np.sort(drawn)]


def _example(loaded: LoadedModel, origins: Origins, made: Attempt, index: int) -> Example:
    equal = made.equal[index]
    row, offset = int(made.rows[index]), int(made.offsets[index])
    end = offset + made.prefixes.shape[1] + made.truth.shape[1]
    return Example(
        made.split,
        loaded.decode(made.prefixes[index].tolist()),
        spans(loaded, made.truth[index], equal),
        spans(loaded, made.added[index], equal),
        int(equal.sum()),
        made.place,
        row,
        offset,
        tuple(made.losses[index].tolist()),
        origins.articles(made.split, row, (offset, end)),
    )


def spans(loaded: LoadedModel, ids: NDArray[np.int64], equal: NDArray[np.bool_]) -> tuple[Span, ...]:
    """Return the text of `ids`, cut where equal and unequal tokens meet."""
    pairs = zip(ids.tolist(), equal.tolist(), strict=True)
    return tuple(
        Span(loaded.decode([i for i, _ in group]), same) for same, group in groupby(pairs, key=lambda pair: pair[1])
    )
