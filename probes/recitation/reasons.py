"""Group what a model recites by what may explain it: texts seen often, found often, or easily guessed."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from probes.measuring import Share, TokenIds, TrainingCounts, bootstrap, wilson
from probes.model import LoadedModel
from probes.recitation.attempts import Attempt
from probes.recitation.occurrences import count_occurrences
from probes.records import step_of
from wikilm.exposures import EXPOSURES, read_exposures
from wikilm.model_folder import BEST, STEPS
from wikilm.shards import ShardFolder

SEEN, OCCURRENCES, BIGRAM, ZLIB = "seen", "occurrences", "bigram", "zlib"
HOW_GROUPS = {
    SEEN: "times that the row was in a step of the training",
    OCCURRENCES: "times that the continuation stands, token by token, in the training rows",
    BIGRAM: "tokens of the continuation that most often follow the one before them in the training rows",
    ZLIB: "bits per byte that zlib needs for the continuation once it has the prefix",
}
_MOST_KINDS = 6  # of values that have a group each


@dataclass(frozen=True)
class Group:
    """Rows that are alike in one respect, and how much of them is recited."""

    by: str  # a key of HOW_GROUPS
    split: str
    label: str
    rows: int
    tokens: Share
    whole: Share


@dataclass(frozen=True)
class Predictable:
    """What of the continuations of one split a table of pairs guesses, and what the model recites of the rest."""

    split: str
    bigram: Share  # of all tokens, those that most often follow the true token before them
    beyond: Share | None  # of the other tokens, those recited; none where there are no others


def seen(model: Path, rows: int) -> NDArray[np.int64] | None:
    """Return how often each row of the split train was in a step before these weights; None where it is not recorded.

    Args:
        model: its folder, or that of a copy in `best` or `steps` of one.
        rows: in the split train.

    Raises:
        RunError: the record is damaged, or of other shards.
    """
    if (model / EXPOSURES).is_file():
        return read_exposures(model, rows).counts
    folder = model.resolve()
    whole = folder.parent if folder.name == BEST else folder.parent.parent if folder.parent.name == STEPS else None
    if whole is None or not (whole / EXPOSURES).is_file():
        return None
    return read_exposures(whole, rows, step_of(folder)).counts


def guessed(counts: TrainingCounts, made: Attempt) -> NDArray[np.bool_]:
    """Return which tokens of the truth are those that most often follow the true one before: bool [rows, tokens]."""
    left = np.concatenate([made.prefixes[:, -1:], made.truth[:, :-1]], axis=1)
    return np.asarray(counts.after.of(left.ravel())[:, 0].reshape(left.shape) == made.truth)


def predictable(made: Attempt, by_bigram: NDArray[np.bool_], seed: int) -> Predictable:
    """Take what a table of pairs guesses out of what is recited, so that boilerplate is not taken for memory."""
    rows, tokens = made.truth.shape
    bigram = bootstrap(by_bigram.sum(axis=1, dtype=np.int64), np.full(rows, tokens, np.int64), seed)
    others = (~by_bigram).sum(axis=1, dtype=np.int64)
    has = others > 0
    recited = (made.equal & ~by_bigram).sum(axis=1, dtype=np.int64)
    return Predictable(made.split, bigram, bootstrap(recited[has], others[has], seed) if has.any() else None)


def zlib_bits(loaded: LoadedModel, given: TokenIds, following: TokenIds) -> NDArray[np.float64]:
    """Return the bits per byte that zlib adds for a text once it has another: float64 [rows]."""
    rates = []
    for left, right in zip(given, following, strict=True):
        one, both = (loaded.decode(ids.tolist()).encode() for ids in (left, np.concatenate([left, right])))
        rates.append(8 * (len(zlib.compress(both, 9)) - len(zlib.compress(one, 9))) / max(1, len(both) - len(one)))
    return np.array(rates)


def groups(
    loaded: LoadedModel,
    shards: ShardFolder,
    attempts: Sequence[Attempt],
    by_bigram: Sequence[NDArray[np.bool_]],
    occurrences: Sequence[NDArray[np.int64]],
    seed: int,
) -> Iterator[Group]:
    """Yield all groups of what was recited of both splits.

    Args:
        loaded: the model.
        shards: that it was trained on.
        attempts: one of each split.
        by_bigram: which tokens of each attempt a table of pairs guesses; see `guessed`.
        occurrences: of the continuations of each attempt, in the training rows.
        seed: of the bootstrap.

    Raises:
        RunError: the record of the rows that the model has seen is damaged, or of other shards.
    """
    for made in attempts:
        exposures = seen(loaded.folder, shards.manifest.row_count("train")) if made.split == "train" else None
        if exposures is not None:
            yield from _grouped(SEEN, made, *_by_kind(exposures[made.rows]), seed)
    for made, times in zip(attempts, occurrences, strict=True):
        yield from _grouped(OCCURRENCES, made, *_by_range(times, (0, 1, 2, 4, 8)), seed)
    for made, guesses in zip(attempts, by_bigram, strict=True):
        right = guesses.sum(axis=1, dtype=np.int64)
        tokens = made.truth.shape[1]
        starts = sorted({0, max(1, tokens // 8), max(1, tokens // 4), max(1, tokens // 2)})
        yield from _grouped(BIGRAM, made, *_by_range(right, starts, f" of {tokens}"), seed)
    rates = [zlib_bits(loaded, made.prefixes, made.truth) for made in attempts]
    edges = np.quantile(np.concatenate(rates), [0.25, 0.5, 0.75])
    for made, rate in zip(attempts, rates, strict=True):
        yield from _grouped(ZLIB, made, np.searchsorted(edges, rate, side="right"), _ranges_of(edges), seed)


def _grouped(by: str, made: Attempt, which: NDArray[np.int64], labels: Sequence[str], seed: int) -> Iterator[Group]:
    """Yield the groups that have rows; `which` is int64 [rows], an index into the labels."""
    tokens = made.truth.shape[1]
    equal = made.equal.sum(axis=1, dtype=np.int64)
    for number, label in enumerate(labels):
        chosen = equal[which == number]
        if len(chosen):
            share = bootstrap(chosen, np.full(len(chosen), tokens, np.int64), seed)
            whole = wilson(int((chosen == tokens).sum()), len(chosen))
            yield Group(by, made.split, label, len(chosen), share, whole)


def _by_kind(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[str]]:
    """Give each value a group of its own, or ranges of values one where there are many."""
    kinds, which = np.unique(values, return_inverse=True)
    if len(kinds) <= _MOST_KINDS:
        return which, [f"{kind:,}" for kind in kinds]
    return _by_range(values, sorted({int(kinds[0]), *np.quantile(kinds, [0.25, 0.5, 0.75]).astype(int).tolist()}))


def _by_range(values: NDArray[np.int64], starts: Sequence[int], unit: str = "") -> tuple[NDArray[np.int64], list[str]]:
    """Give each range of whole numbers a group; the last has no end, and no value is below the first."""
    labels = [
        f"{start:,}{unit}" if end == start + 1 else f"{start:,}–{end - 1:,}{unit}" for start, end in pairwise(starts)
    ]
    return np.searchsorted(np.array(starts), values, side="right") - 1, [*labels, f"{starts[-1]:,}{unit} or more"]


def _ranges_of(edges: NDArray[np.float64]) -> list[str]:
    first, *_, last = edges
    between = [f"{low:.1f}–{high:.1f}" for low, high in pairwise(edges)]
    return [f"below {first:.1f}", *between, f"{last:.1f} or more"]


def times_in_training(shards: ShardFolder, attempts: Sequence[Attempt]) -> list[NDArray[np.int64]]:
    """Count how often the continuations of several attempts stand in the training rows, in one pass."""
    found = count_occurrences(shards, np.concatenate([made.truth for made in attempts]))
    return np.split(found, np.cumsum([len(made.truth) for made in attempts])[:-1])
