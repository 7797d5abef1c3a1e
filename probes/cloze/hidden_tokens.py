"""Measure how often a hidden token is among a model's first five guesses, on training and on validation text."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from probes.measuring import (
    Baseline,
    RowSample,
    Share,
    TokenIds,
    TrainingCounts,
    bootstrap,
    guess_hidden,
    hidden_logits,
)
from probes.model import LoadedModel
from probes.records import Count
from wikilm.errors import RunError
from wikilm.shards import SPLITS


@dataclass(frozen=True)
class Accuracy:
    """How often the hidden tokens of one split were guessed."""

    split: str
    rows: Count
    places: Count
    context: str  # of the hidden token: "both sides", or "the left side" where the model is causal
    top1: Share
    top5: Share
    baselines: tuple[Baseline, ...] = ()  # guesses from counts at the same places


def hidden_places(rows: TokenIds, fraction: float, never: int, seed: int) -> NDArray[np.bool_]:
    """Choose the tokens to hide: bool [rows, tokens], a share `fraction` of each row, at least one, never id `never`.

    The first token of a row is never hidden: a causal model has nothing to its left. Each row's choice depends on the
    seed and the row's own ids alone, so that it is the same whichever other rows are asked about.

    Raises:
        ValueError: a row has no token that may be hidden.
    """
    hidden = np.zeros(rows.shape, dtype=np.bool_)
    for row, places in zip(rows, hidden, strict=True):
        eligible = np.flatnonzero(row != never)
        eligible = eligible[eligible > 0]
        if len(eligible) == 0:
            raise ValueError("a row has no token that can be hidden")
        # A sum of ids is enough to give rows different places; it need not be a good digest.
        rng = np.random.default_rng([seed, int(row @ np.arange(1, len(row) + 1))])
        places[rng.choice(eligible, max(1, round(fraction * len(eligible))), replace=False)] = True
    return hidden


def accuracy(
    loaded: LoadedModel, sample: RowSample, fraction: float, seed: int, counts: TrainingCounts | None = None
) -> tuple[Accuracy, ...]:
    """Top-1 and top-5 accuracy at hidden places of both splits.

    A masked model sees its mask token at the hidden places of a row, all at once. A causal model is asked for the next
    token at the same places, from the true text to their left. With `counts` of the training rows, the same places are
    guessed from these as well, by what the model may see.

    Raises:
        RunError: rows longer than the model has positions, or a tokenizer without a mask token.
    """
    chunk_tokens = sample.manifest.chunk_tokens
    if loaded.positions is not None and chunk_tokens > loaded.positions:
        raise RunError(f"{loaded.name}: has {loaded.positions} positions, but the rows have {chunk_tokens} tokens")
    if loaded.kind == "masked":
        _ = loaded.mask_id  # which is to be there before any rows are tried
    return tuple(_split_accuracy(loaded, sample, split, fraction, seed, counts) for split in SPLITS)


def hidden_rows(sample: RowSample, split: str, fraction: float, seed: int) -> tuple[TokenIds, NDArray[np.bool_]]:
    """Return the rows of a split that have tokens to hide, and which are hidden: bool, of the shape of the rows.

    Raises:
        RunError: there is no such row.
    """
    rows, end = sample.split(split), sample.manifest.tokenizer.end_of_text_id
    rows = rows[(rows[:, 1:] != end).any(axis=1)]  # a row of nothing but ends of text has nothing to hide
    if len(rows) == 0:
        raise RunError(f"the {split} split has no row with text in it")
    return rows, hidden_places(rows, fraction, end, seed)


def hidden_baselines(
    counts: TrainingCounts, rows: TokenIds, hidden: NDArray[np.bool_], seed: int, *, both_sides: bool
) -> tuple[Baseline, ...]:
    """Guess hidden tokens by counts of the training rows, from what a model may see; see `guess_hidden`."""
    true, guesses = rows[hidden, None], guess_hidden(counts, rows, hidden, both_sides=both_sides)
    return tuple(
        Baseline(
            name,
            _share((found[:, :1] == true).any(axis=1), hidden, seed),
            _share((found[:, :5] == true).any(axis=1), hidden, seed),
        )
        for name, found in guesses.items()
    )


def _share(right: NDArray[np.bool_], hidden: NDArray[np.bool_], seed: int) -> Share:
    """Return the share of hidden tokens with a right guess; `right` has them in the order of the rows."""
    places = hidden.sum(axis=1, dtype=np.int64)
    return bootstrap(np.add.reduceat(right, np.cumsum(places) - places, dtype=np.int64), places, seed)


def _split_accuracy(
    loaded: LoadedModel, sample: RowSample, split: str, fraction: float, seed: int, counts: TrainingCounts | None
) -> Accuracy:
    rows, hidden = hidden_rows(sample, split, fraction, seed)
    ranks = _ranks(loaded, rows, hidden)
    both_sides = loaded.kind == "masked"
    return Accuracy(
        split=split,
        rows=len(rows),
        places=int(hidden.sum()),
        context="both sides" if both_sides else "the left side",
        top1=_share(ranks < 1, hidden, seed),
        top5=_share(ranks < 5, hidden, seed),
        baselines=hidden_baselines(counts, rows, hidden, seed, both_sides=both_sides) if counts else (),
    )


def _ranks(loaded: LoadedModel, rows: TokenIds, hidden: NDArray[np.bool_]) -> NDArray[np.int64]:
    """int64 [hidden places]: how many entries of the vocabulary the model puts before, or level with, the true one."""
    ranks = []
    with torch.inference_mode():
        for logits, ids in hidden_logits(loaded, rows, hidden):
            ranked = loaded.ranked(logits)
            # Level entries count against the model: one that gives every token the same score knows nothing.
            ranks.append((ranked >= ranked.gather(-1, ids[:, None])).sum(-1) - 1)
    return torch.cat(ranks).cpu().numpy()
