"""Guess tokens from counts of the training rows alone: what any model has to beat before its share means something."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.measuring.interval import Share
from probes.measuring.rows import TokenIds
from probes.measuring.training_counts import GUESSES, Ids, TrainingCounts
from probes.records import Nats

MOST_COMMON, BIGRAM, NEIGHBOURS = "most_common", "bigram", "neighbours"
HOW_BASELINES = {
    MOST_COMMON: "always the most common tokens of the training rows",
    BIGRAM: "the tokens that most often follow the token to the left in the training rows",
    NEIGHBOURS: "the tokens that most often stand between the same two neighbours in the training rows; "
    "where none does, those beside one of them",
}


@dataclass(frozen=True)
class Baseline:
    """How often guesses from counts are right, where a model was asked."""

    name: str  # a key of HOW_BASELINES
    top1: Share
    top5: Share


@dataclass(frozen=True)
class BlindLoss:
    """What a token costs, in nats, for a guesser that looks at no text around it."""

    uniform: Nats  # all tokens of the vocabulary alike: the logarithm of their number
    unigram_train: Nats  # each as frequent as in the training rows: their entropy
    unigram_validation: Nats  # the same frequencies, one added to each count, on the validation rows


def blind_loss(counts: TrainingCounts, validation: TokenIds) -> BlindLoss:
    """Return the losses of guessing blindly, over all tokens of the rows counted and of `validation`.

    One is added to each count for the validation rows (Laplace's rule), since a token may be new there.
    """
    seen = counts.tokens[counts.tokens > 0] / counts.tokens.sum()
    smoothed = np.log((counts.tokens + 1) / (counts.tokens.sum() + counts.vocab_size))
    return BlindLoss(
        uniform=math.log(counts.vocab_size),
        unigram_train=float(-(seen * np.log(seen)).sum()),
        unigram_validation=float(-smoothed[validation].mean()),
    )


def guess_hidden(
    counts: TrainingCounts, rows: TokenIds, hidden: NDArray[np.bool_], *, both_sides: bool
) -> dict[str, Ids]:
    """Guess hidden tokens of rows, from what a model sees of their neighbours.

    Args:
        counts: of the training rows.
        rows: int64 [rows, tokens].
        hidden: bool [rows, tokens], the places to guess; never the first of a row.
        both_sides: as a masked model sees a row: on both sides of a place, and no other hidden token. Otherwise as a
            causal one does: the true token to the left, and nothing else.

    Returns:
        For each baseline int64 [hidden places, GUESSES], likeliest first, in the order of `np.nonzero(hidden)`.
    """
    row, place = np.nonzero(hidden)
    unseen = np.where(hidden, -1, rows) if both_sides else rows
    right = np.pad(unseen, ((0, 0), (0, 1)), constant_values=-1)[row, place + 1]
    return guess_between(counts, unseen[row, place - 1], right if both_sides else None)


def guess_between(counts: TrainingCounts, left: Ids, right: Ids | None) -> dict[str, Ids]:
    """Guess the tokens between two neighbours, or after the left one where `right` is None.

    Args:
        counts: of the training rows.
        left: int64 [places], the token to the left; -1 where there is none, or none to be seen.
        right: the same of the right.

    Returns:
        For each baseline int64 [places, GUESSES], likeliest first.
    """
    common = np.broadcast_to(counts.most_common, (len(left), GUESSES))
    after = counts.after.of(left)
    guesses = {MOST_COMMON: np.array(common), BIGRAM: _back_off(after, common)}
    if right is not None:
        between = np.full((len(left), GUESSES), -1, dtype=np.int64)
        known = (left >= 0) & (right >= 0)
        between[known] = counts.between(left[known], right[known])
        guesses[NEIGHBOURS] = _back_off(between, after, counts.before.of(right), common)
    return guesses


def continue_by_bigram(counts: TrainingCounts, prefixes: TokenIds, tokens: int) -> TokenIds:
    """Add `tokens` ids to rows of `prefixes`, each the one that most often follows the last: int64 [rows, tokens].

    After a token that nothing follows in the training rows stands the most common one.
    """
    likeliest = counts.after.of(np.arange(counts.vocab_size))[:, 0]
    follower = np.where(likeliest < 0, counts.most_common[0], likeliest)
    last, added = prefixes[:, -1], np.empty((len(prefixes), tokens), dtype=np.int64)
    for step in range(tokens):
        last = added[:, step] = follower[last]
    return added


def continue_by_most_common(counts: TrainingCounts, prefixes: TokenIds, tokens: int) -> TokenIds:
    """Add the most common token of the training rows `tokens` times to rows: int64 [rows, tokens]."""
    return np.full((len(prefixes), tokens), counts.most_common[0], dtype=np.int64)


def _back_off(*ranked: Ids) -> Ids:
    """Fill the guesses of each place from the first table, then from the next, no token twice: int64 [n, GUESSES]."""
    guesses = np.concatenate(ranked, axis=1)
    for place in range(1, guesses.shape[1]):
        again = (guesses[:, :place] == guesses[:, place, None]).any(axis=1)
        guesses[again, place] = -1
    order = np.argsort(guesses < 0, axis=1, kind="stable")[:, :GUESSES]
    return np.take_along_axis(guesses, order, axis=1)
