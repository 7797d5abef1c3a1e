"""Compute what a model said of each token of texts before it saw it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from probes.model import LoadedModel

BATCH = 32  # texts computed at a time, fewer where they take much memory
CONTEXT = 1024  # of a model that sets no limit


@dataclass(frozen=True)
class Predictions:
    """What a model said of the tokens of one text.

    Attributes:
        nats: float64 [tokens], the negative log-likelihood of each.
        ranks: int64 [tokens], 1 and the tokens that it found at least as likely, the true one aside.
        confidence: float64 [tokens], the probability of its first guess.
    """

    nats: NDArray[np.float64]
    ranks: NDArray[np.int64]
    confidence: NDArray[np.float64]


def windows(tokens: Sequence[int], start: int, length: int) -> Iterator[tuple[list[int], int]]:
    """Yield what the model is given, at most `length` tokens, and how many tokens after it are to be predicted.

    Args:
        tokens: of a text; every one is predicted once.
        start: the token before a text.
        length: the model's context. Of a text that is longer, each window begins with the last token of the one before;
            the last is filled with earlier tokens.
    """
    stream, done = [start, *tokens], 0
    while done < len(tokens):
        count = min(length, len(tokens) - done)
        end = done + count
        yield stream[max(0, end - length) : end], count
        done = end


@torch.inference_mode()
def predict(loaded: LoadedModel, texts: Sequence[Sequence[int]]) -> list[Predictions]:
    """Ask a causal model for each token of texts, the first one after the token that starts a text."""
    length = loaded.positions or CONTEXT
    by_length: dict[int, list[tuple[list[int], list[int], int, int]]] = defaultdict(list)
    for number, tokens in enumerate(texts):
        done = 0
        for given, count in windows(tokens, loaded.start_id, length):
            by_length[len(given)].append((given, list(tokens[done : done + count]), number, done))
            done += count
    found = [_empty(len(tokens)) for tokens in texts]
    for tokens_given, group in by_length.items():
        at_a_time = min(BATCH, loaded.rows_at_a_time(tokens_given, tokens_given))
        for first in range(0, len(group), at_a_time):
            batch = group[first : first + at_a_time]
            logits = loaded.ranked(loaded.logits(loaded.tensor([given for given, *_ in batch])))
            for row, (_, targets, number, at) in zip(logits, batch, strict=True):
                _fill(found[number], at, row[-len(targets) :], loaded.tensor(targets))
    return found


@torch.inference_mode()
def predict_masked(loaded: LoadedModel, ids: Sequence[int], places: Sequence[int]) -> Predictions:
    """Ask a masked model for the tokens at `places`, each hidden alone: the pseudo-log-likelihood of Salazar et al.
    (2020, arXiv:1910.14659).

    Raises:
        RunError: its tokenizer has no mask token.
    """
    mask = loaded.mask_id
    found, whole = _empty(len(places)), loaded.tensor([list(ids)])
    at_a_time = min(BATCH, loaded.rows_at_a_time(len(ids), 1))
    for first in range(0, len(places), at_a_time):
        at = loaded.tensor(list(places[first : first + at_a_time]))
        shown = whole.expand(len(at), -1)
        hidden = torch.zeros_like(shown, dtype=torch.bool)
        hidden[torch.arange(len(at), device=at.device), at] = True
        logits = loaded.logits_at(shown.masked_fill(hidden, mask), hidden)
        _fill(found, first, loaded.ranked(logits), whole[0, at])
    return found


def _empty(tokens: int) -> Predictions:
    return Predictions(np.zeros(tokens), np.zeros(tokens, np.int64), np.zeros(tokens))


def _fill(found: Predictions, at: int, logits: torch.Tensor, targets: torch.Tensor) -> None:
    """Enter what logits [tokens, vocabulary] say of the tokens from `at` on."""
    logs = logits.log_softmax(-1)
    true = logs.gather(1, targets[:, None])
    span = slice(at, at + len(targets))
    found.nats[span] = (-true[:, 0]).clamp(min=0).double().cpu().numpy()
    found.ranks[span] = (logs >= true).sum(-1).cpu().numpy()
    found.confidence[span] = logs.max(-1).values.exp().clamp(max=1).double().cpu().numpy()
