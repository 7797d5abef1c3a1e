"""Continue a prompt along tokens that a reader has chosen, and from there on by the likeliest."""

from collections.abc import Sequence

from probes.generation import Generation, continue_prompts
from probes.model import LoadedModel
from wikilm.errors import UsageError


def steer(loaded: LoadedModel, prompt: str, chosen: Sequence[int], max_new_tokens: int, top_k: int) -> Generation:
    """Continue `prompt` by `chosen`, then greedily up to `max_new_tokens` in all, with the candidates of each step.

    Without chosen ids this is what the command line gives.

    Raises:
        UsageError: as `continue_prompts`; or more ids were chosen than asked for, or one that the model does not have.
    """
    wrong = next((i for i in chosen if i >= loaded.vocab_size), None)
    if wrong is not None:
        raise UsageError(f"chosen: {loaded.name} has {loaded.vocab_size} tokens, counted from 0; there is no {wrong}")
    if len(chosen) > max_new_tokens:
        raise UsageError(f"chosen: {len(chosen)} tokens, but max_new_tokens is {max_new_tokens}; raise it")
    return continue_prompts(loaded, [prompt], max_new_tokens, shown=top_k, chosen=chosen)[0]
