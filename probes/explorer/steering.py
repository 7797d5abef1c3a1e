"""Continue a prompt along tokens that a reader has chosen, and from there on by the likeliest."""

from collections.abc import Sequence

import torch

from probes.generation.greedy import Candidate, Generation, GenerationStep, end_ids, generate, top, walk
from probes.model import LoadedModel
from wikilm.errors import UsageError


def steer(loaded: LoadedModel, prompt: str, chosen: Sequence[int], max_new_tokens: int, top_k: int) -> Generation:
    """Continue `prompt` by `chosen`, then greedily up to `max_new_tokens` in all, with the candidates of each step.

    Without chosen ids this is `generate`, as the command line has it.

    Raises:
        UsageError: as `generate`; or more ids were chosen than asked for, or one that the model does not have.
    """
    if not chosen:
        return generate(loaded, prompt, max_new_tokens, top_k, steps=True)
    plain = generate(loaded, prompt, 1, top_k, steps=False)  # which refuses what cannot be continued
    wrong = next((i for i in chosen if i >= loaded.vocab_size), None)
    if wrong is not None:
        raise UsageError(f"chosen: {loaded.name} has {loaded.vocab_size} tokens, counted from 0; there is no {wrong}")
    if len(chosen) > max_new_tokens:
        raise UsageError(f"chosen: {len(chosen)} tokens, but max_new_tokens is {max_new_tokens}; raise it")
    loaded.check_length(len(plain.prompt_ids) + max_new_tokens, f"--prompt with {max_new_tokens} new tokens")
    ends = end_ids(loaded)
    steps = _taken(loaded, plain.prompt_ids, chosen, top_k)
    if chosen[-1] not in ends:
        context = loaded.tensor([[*plain.prompt_ids, *chosen]])
        rest = walk(loaded, context, max_new_tokens - len(chosen), top_k, ends)
        steps += [GenerationStep(len(chosen) + one.step, one.candidates, one.chosen) for one in rest]
    ids = tuple(step.chosen.id for step in steps)
    return Generation(
        prompt=prompt,
        prompt_ids=plain.prompt_ids,
        prompt_tokens=plain.prompt_tokens,
        steps=tuple(steps),
        ids=ids,
        tokens=tuple(loaded.show(i) for i in ids),
        continuation=loaded.text_after(plain.prompt_ids, ids, special=False),
        ended_by="end of text" if ids[-1] in ends else "length",
    )


def _taken(loaded: LoadedModel, prompt: Sequence[int], chosen: Sequence[int], top_k: int) -> list[GenerationStep]:
    """Return the steps of chosen ids, by one pass over all of them."""
    with torch.inference_mode():
        logits = loaded.model(input_ids=loaded.tensor([[*prompt, *chosen]])).logits[0, len(prompt) - 1 : -1]
    shares = loaded.ranked(logits).softmax(-1)
    return [
        GenerationStep(
            number,
            top(loaded, logits[number - 1], top_k),
            Candidate(token, loaded.show(token), float(shares[number - 1, token])),
        )
        for number, token in enumerate(chosen, start=1)
    ]
