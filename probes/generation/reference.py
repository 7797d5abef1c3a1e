"""Let `transformers`' own `generate()` continue the same texts, and find where it parts from our steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from probes.generation.choosing import Candidate, Decoding, NextTokens, candidate
from probes.generation.decoding import Batch
from probes.model import LoadedModel

# Sums in another order, as batches and caches have them, move a log-probability by about this much.
TIE = {torch.float32: 1e-4, torch.float16: 0.05, torch.bfloat16: 0.5}


@dataclass(frozen=True)
class Parting:
    """The first step at which `generate()` takes another token than our own steps."""

    step: int
    chosen: Candidate
    by_generate: Candidate
    margin: float  # nats by which the model prefers the token of our own step
    is_tie: bool  # no more than the rounding of the model's numbers may turn round


def by_generate(
    loaded: LoadedModel, batch: Batch, limit: int, decoding: Decoding, prompts: Sequence[Sequence[int]], ends: list[int]
) -> Tensor:
    """Return the new ids by `generate()`, int64 [rows, at most `limit`]; those after an id of `ends` mean nothing.

    Whatever the model's own settings ask for is left aside. Where tokens are drawn, `generate()` is given the same
    numbers drawn for each prompt.
    """
    settings = GenerationConfig(
        max_new_tokens=limit,
        do_sample=False,
        num_beams=1,
        eos_token_id=ends or None,
        pad_token_id=ends[0] if ends else 0,
        suppress_tokens=list(range(loaded.vocab_size, loaded.output_size)) or None,
    )
    drawn = LogitsProcessorList([] if decoding.is_greedy else [_Only(loaded, NextTokens(decoding, prompts))])
    usual, loaded.model.generation_config = loaded.model.generation_config, settings  # unset values come from there
    try:
        with torch.inference_mode():
            out = loaded.model.generate(
                batch.ids, attention_mask=batch.seen, generation_config=settings, logits_processor=drawn
            )
    finally:
        loaded.model.generation_config = usual
    return out[:, batch.ids.shape[1] :]


class _Only(LogitsProcessor):
    """Leave `generate()` no token but the one that is chosen."""

    def __init__(self, loaded: LoadedModel, choose: Callable[[Tensor, Tensor], Tensor]) -> None:
        self._loaded, self._choose = loaded, choose

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return scores of minus infinity, but for one token of each row."""
        chosen = self._choose(input_ids, self._loaded.ranked(scores))
        return torch.full_like(scores, float("-inf")).scatter(1, chosen[:, None], 0.0)


def parting(loaded: LoadedModel, prompt: Sequence[int], ours: Sequence[int], theirs: Sequence[int]) -> Parting | None:
    """Return where two continuations of a prompt part, or None where they do not.

    The margin is taken from a pass over the whole text, without a cache.
    """
    at = next((n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
    if at is None:
        return None
    with torch.inference_mode():
        logits = loaded.model(input_ids=loaded.tensor([[*prompt, *ours[:at]]])).logits[0, -1]
    mine, other = (candidate(loaded, logits, token_id) for token_id in (ours[at], theirs[at]))
    margin = float(logits[mine.id].float() - logits[other.id].float())
    return Parting(at + 1, mine, other, margin, abs(margin) <= TIE.get(loaded.model.dtype, 0.0))
