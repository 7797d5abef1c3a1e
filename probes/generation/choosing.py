"""Choose the next token: the likeliest, or one drawn at random by temperature, top-k and top-p."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from probes.model import LoadedModel
from probes.records import Count, Fraction


@dataclass(frozen=True)
class Decoding:
    """How the next token is chosen. Temperature 0 is greedy: always the likeliest, whatever the others say."""

    temperature: float = 0.0
    top_k: int | None = None  # draw from so many likeliest tokens only (Fan et al., 2018)
    top_p: float | None = None  # and from the fewest that hold this probability together (Holtzman et al., 2020)
    seed: int = 0

    @property
    def is_greedy(self) -> bool:
        """Whether nothing is drawn."""
        return self.temperature == 0


GREEDY = Decoding()


@dataclass(frozen=True)
class Candidate:
    """One entry of the vocabulary, as a next token."""

    id: Count
    token: str
    probability: Fraction  # the model's own, whatever temperature it is drawn by


class NextTokens:
    """Choose the next token of every row of a batch.

    Each row is drawn for by a generator of its own, seeded by its prompt: the same seed gives the same text, whatever
    else is in the batch, and on any device.
    """

    def __init__(self, decoding: Decoding, prompts: Sequence[Sequence[int]]) -> None:
        self._is_greedy = decoding.is_greedy
        self._draws = [np.random.default_rng([decoding.seed, *ids]) for ids in prompts]
        self._warpers = _warpers(decoding)

    def __call__(self, ids: Tensor, logits: Tensor) -> Tensor:
        """Return int64 [rows]: the next ids after `ids` [rows, tokens], by `logits` [rows, vocabulary]."""
        if self._is_greedy:
            return logits.argmax(-1)
        sums = self._warpers(ids, logits).double().softmax(-1).cumsum(-1)
        drawn = torch.tensor([generator.random() for generator in self._draws], dtype=torch.double, device=sums.device)
        whole = sums[:, -1:]
        # The first token whose sum goes beyond the number drawn; one without probability adds nothing to the sum.
        return torch.minimum((sums <= drawn[:, None] * whole).sum(-1), (sums < whole).sum(-1))


def _warpers(decoding: Decoding) -> LogitsProcessorList:
    """`transformers`' own, in the order in which its `generate()` has them."""
    warpers = LogitsProcessorList()
    if not decoding.is_greedy:
        warpers.append(TemperatureLogitsWarper(decoding.temperature))
        if decoding.top_k is not None:
            warpers.append(TopKLogitsWarper(decoding.top_k))
        if decoding.top_p is not None:
            warpers.append(TopPLogitsWarper(decoding.top_p))
    return warpers


def candidate(loaded: LoadedModel, logits: Tensor, token_id: int) -> Candidate:
    """Return one entry of the vocabulary with its probability by `logits` [vocabulary]."""
    return Candidate(token_id, loaded.show(token_id), float(loaded.ranked(logits).softmax(-1)[token_id]))


def top(loaded: LoadedModel, logits: Tensor, k: int) -> tuple[Candidate, ...]:
    """Return the `k` likeliest entries of the vocabulary by `logits` [vocabulary], likeliest first.

    Among equals the lower id goes first, as `argmax` in `generate()` has it; `topk` gives no such promise.
    """
    logits = loaded.ranked(logits)
    ids = logits.sort(descending=True, stable=True).indices[: min(k, loaded.vocab_size)]
    probabilities = logits.softmax(-1)[ids]
    return tuple(Candidate(i, loaded.show(i), p) for i, p in zip(ids.tolist(), probabilities.tolist(), strict=True))
