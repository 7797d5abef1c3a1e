"""Measure how often a hidden token is among a model's first five guesses, on training and on validation text."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from probes.measuring import Baseline, RowSample, Share, TokenIds, TrainingCounts, bootstrap, guess_hidden
from probes.model import LoadedModel
from probes.records import Count
from wikilm.errors import RunError
from wikilm.shards import SPLITS

_LOGITS_AT_A_TIME = 2**25  # 128 MiB of float32


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
    if loaded.kind == "masked" and loaded.tokenizer.mask_token_id is None:
        raise RunError(f"{loaded.name}: its tokenizer has no mask token, so nothing can be hidden from it")
    return tuple(_split_accuracy(loaded, sample, split, fraction, seed, counts) for split in SPLITS)


def _split_accuracy(
    loaded: LoadedModel, sample: RowSample, split: str, fraction: float, seed: int, counts: TrainingCounts | None
) -> Accuracy:
    rows = sample.split(split)
    end = sample.manifest.tokenizer.end_of_text_id
    rows = rows[(rows[:, 1:] != end).any(axis=1)]  # a row of nothing but ends of text has nothing to hide
    if len(rows) == 0:
        raise RunError(f"the {split} split has no row with text in it")
    hidden = hidden_places(rows, fraction, end, seed)
    ranks = _ranks(loaded, loaded.tensor(rows), loaded.tensor(hidden, torch.bool))
    both_sides = loaded.kind == "masked"
    guesses = guess_hidden(counts, rows, hidden, both_sides=both_sides) if counts else {}
    true, places = rows[hidden, None], hidden.sum(axis=1, dtype=np.int64)

    def share(right: NDArray[np.bool_]) -> Share:
        """Return the share of hidden places with a right guess; `right` has them in the order of the rows."""
        return bootstrap(np.add.reduceat(right, np.cumsum(places) - places, dtype=np.int64), places, seed)

    return Accuracy(
        split=split,
        rows=len(rows),
        places=int(places.sum()),
        context="both sides" if both_sides else "the left side",
        top1=share(ranks < 1),
        top5=share(ranks < 5),
        baselines=tuple(
            Baseline(name, share((found[:, :1] == true).any(axis=1)), share((found[:, :5] == true).any(axis=1)))
            for name, found in guesses.items()
        ),
    )


def _ranks(loaded: LoadedModel, rows: torch.Tensor, hidden: torch.Tensor) -> NDArray[np.int64]:
    """int64 [hidden places]: how many entries of the vocabulary the model puts before, or level with, the true one."""
    tokens, vocabulary = rows.shape[1], loaded.output_size
    batch = max(1, _LOGITS_AT_A_TIME // (tokens * vocabulary))
    ranks = []
    with torch.inference_mode():
        for ids, places in zip(rows.split(batch), hidden.split(batch), strict=True):
            all_seen = torch.ones_like(ids)  # rows are full: an end-of-text token is no padding
            if loaded.kind == "masked":
                shown = ids.masked_fill(places, loaded.tokenizer.mask_token_id)
                logits = loaded.model(input_ids=shown, attention_mask=all_seen).logits[places]
            else:
                logits = loaded.model(input_ids=ids, attention_mask=all_seen).logits[:, :-1][places[:, 1:]]
            logits = loaded.ranked(logits)
            true = logits.gather(-1, ids[places][:, None])
            # Level entries count against the model: one that gives every token the same score knows nothing.
            ranks.append((logits >= true).sum(-1) - 1)
    return torch.cat(ranks).cpu().numpy()
