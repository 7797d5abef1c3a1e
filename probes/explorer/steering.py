"""Continue a prompt along tokens that a reader has chosen, and from there on by the likeliest."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from probes.generation.choosing import candidate, top
from probes.generation.decoding import decode
from probes.generation.generate import Generation, GenerationStep, continue_prompts, end_ids
from probes.model import LoadedModel
from wikilm.errors import UsageError


def steer(loaded: LoadedModel, prompt: str, chosen: Sequence[int], max_new_tokens: int, shown: int) -> Generation:
    """Continue `prompt` by `chosen`, then greedily up to `max_new_tokens` in all.

    Without chosen ids this is `continue_prompts`, as the command line has it.

    Args:
        loaded: a causal model.
        prompt: a text.
        chosen: ids to begin with, of which one that ends the text is the last to be taken.
        max_new_tokens: ids to add at most.
        shown: how many candidates to note at each step.

    Raises:
        UsageError: as `continue_prompts`; or more ids were chosen than asked for, or one that the model does not have.
    """
    if not chosen:
        return continue_prompts(loaded, [prompt], max_new_tokens, shown=shown)[0]
    plain = continue_prompts(loaded, [prompt], 1)[0]  # which refuses what cannot be continued
    wrong = next((i for i in chosen if i >= loaded.vocab_size), None)
    if wrong is not None:
        raise UsageError(f"chosen: {loaded.name} has {loaded.vocab_size} tokens, counted from 0; there is no {wrong}")
    if len(chosen) > max_new_tokens:
        raise UsageError(f"chosen: {len(chosen)} tokens, but max_new_tokens is {max_new_tokens}; raise it")
    loaded.check_length(len(plain.prompt_ids) + max_new_tokens, f"the text with {max_new_tokens} new tokens")
    ends = end_ids(loaded)
    steps = _steps(loaded, plain.prompt_ids, chosen, max_new_tokens, shown, ends)
    ids = tuple(step.chosen.id for step in steps)
    return replace(
        plain,
        steps=tuple(steps),
        ids=ids,
        tokens=tuple(loaded.show(i) for i in ids),
        continuation=loaded.text_after(plain.prompt_ids, ids, special=False),
        ended_by="end of text" if ids[-1] in ends else "length",
    )


def _steps(
    loaded: LoadedModel, prompt: Sequence[int], chosen: Sequence[int], limit: int, shown: int, ends: Sequence[int]
) -> list[GenerationStep]:
    """Decode along `chosen`, then greedily, and return each step."""
    steps: list[GenerationStep] = []

    def choose(_: Tensor, logits: Tensor) -> Tensor:
        number, candidates = len(steps), top(loaded, logits[0], shown)
        token = chosen[number] if number < len(chosen) else candidates[0].id
        taken = next((one for one in candidates if one.id == token), None) or candidate(loaded, logits[0], token)
        steps.append(GenerationStep(number + 1, candidates, taken))
        return loaded.tensor([token])

    ids = loaded.tensor([list(prompt)])
    decode(loaded, ids, torch.ones_like(ids), limit, choose, ends)
    return steps
