"""Continue a prompt greedily, token by token and by `generate()`; the two must agree."""

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import GenerationConfig

from probes.model import LoadedModel
from probes.output import quoted, table
from probes.records import Count, Finite, Fraction
from wikilm.errors import RunError, UsageError
from wikilm.terminal import visible


@dataclass(frozen=True)
class Candidate:
    """One entry of the vocabulary, as a next token."""

    id: Count
    token: str
    probability: Fraction


@dataclass(frozen=True)
class GenerationStep:
    """One step: the likeliest next tokens, and the one taken."""

    step: int
    candidates: tuple[Candidate, ...]  # likeliest first
    chosen: Candidate


@dataclass(frozen=True)
class Generation:
    """A greedy continuation of one prompt."""

    prompt: str
    prompt_ids: tuple[int, ...]
    prompt_tokens: tuple[str, ...]
    steps: tuple[GenerationStep, ...]  # empty where steps were not asked for
    ids: tuple[int, ...]  # what generate() added, an end-of-text id included
    tokens: tuple[str, ...]
    continuation: str  # special tokens left out
    ended_by: str  # "end of text" or "length"


@dataclass(frozen=True)
class GenerationResult:
    """What the command `generate` answers."""

    metrics: dict[str, Finite]
    model: str
    generations: tuple[Generation, ...]


def generate(loaded: LoadedModel, prompt: str, max_new_tokens: int, top_k: int, *, steps: bool) -> Generation:
    """Continue `prompt` greedily by at most `max_new_tokens` tokens; with `steps`, step by step too.

    An empty prompt starts at the beginning of a text. A prompt that does not fit together with its continuation is
    refused rather than cut, since what a cut model answers belongs to another prompt.

    Raises:
        UsageError: the model is no causal one, or prompt and continuation exceed its positions.
        RunError: the steps and `generate()` disagree.
    """
    if loaded.kind != "causal":
        raise UsageError(f"{loaded.name}: a masked model does not generate; give a causal one, or use fill-mask")
    prompt_ids = [int(i) for i in loaded.tokenizer(prompt)["input_ids"]] or [loaded.start_id]
    flags = f"--prompt of {len(prompt_ids)} tokens and --max-new-tokens {max_new_tokens}"
    loaded.check_length(len(prompt_ids) + max_new_tokens, flags)
    ends = end_ids(loaded)
    context = loaded.tensor([prompt_ids])
    walked = tuple(walk(loaded, context, max_new_tokens, top_k, ends)) if steps else ()
    ids = _generate(loaded, context, max_new_tokens, ends)
    by_steps = [step.chosen.id for step in walked]
    if steps and by_steps != ids:
        at = next(
            (i for i, (a, b) in enumerate(zip(by_steps, ids, strict=False)) if a != b), min(len(by_steps), len(ids))
        )
        raise RunError(f"{loaded.name}: step by step and generate() disagree from new token {at + 1} on: a fault here")
    return Generation(
        prompt=prompt,
        prompt_ids=tuple(prompt_ids),
        prompt_tokens=tuple(loaded.show(i) for i in prompt_ids),
        steps=walked,
        ids=tuple(ids),
        tokens=tuple(loaded.show(i) for i in ids),
        continuation=str(loaded.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)),
        ended_by="end of text" if ids and ids[-1] in ends else "length",
    )


def end_ids(loaded: LoadedModel) -> list[int]:
    """Return the ids after which a text has ended: the model's own, or else the tokenizer's."""
    own = loaded.model.generation_config.eos_token_id
    ids = own if isinstance(own, list) else [own if own is not None else loaded.tokenizer.eos_token_id]
    return [int(i) for i in ids if i is not None]


def top(loaded: LoadedModel, logits: Tensor, k: int) -> tuple[Candidate, ...]:
    """Return the `k` likeliest entries of the vocabulary by `logits` [vocabulary], likeliest first.

    Among equals the lower id goes first, as `argmax` in `generate()` has it; `topk` gives no such promise.
    """
    logits = loaded.ranked(logits)
    ids = logits.sort(descending=True, stable=True).indices[: min(k, loaded.vocab_size)]
    probabilities = logits.softmax(-1)[ids]
    return tuple(Candidate(i, loaded.show(i), p) for i, p in zip(ids.tolist(), probabilities.tolist(), strict=True))


def walk(loaded: LoadedModel, context: Tensor, limit: int, top_k: int, ends: list[int]) -> list[GenerationStep]:
    """Decode greedily from `context`, int64 [1, tokens], for `limit` steps or until an id of `ends`."""
    steps: list[GenerationStep] = []
    inputs, cache = context, None
    with torch.inference_mode():
        while len(steps) < limit:
            # With the cache as generate() uses it: one new token at a time, the same sums in the same order.
            out = loaded.model(input_ids=inputs, past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            candidates = top(loaded, out.logits[0, -1], top_k)
            steps.append(GenerationStep(len(steps) + 1, candidates, candidates[0]))
            if candidates[0].id in ends:
                break
            inputs = loaded.tensor([[candidates[0].id]])
    return steps


def _generate(loaded: LoadedModel, context: Tensor, limit: int, ends: list[int]) -> list[int]:
    """Return the new ids by transformers' own `generate()`, greedily, whatever sampling the model's own settings ask
    for.
    """
    settings = GenerationConfig(
        max_new_tokens=limit,
        do_sample=False,
        num_beams=1,
        eos_token_id=ends or None,
        pad_token_id=ends[0] if ends else 0,
        suppress_tokens=list(range(loaded.vocab_size, loaded.output_size)) or None,
    )
    usual, loaded.model.generation_config = loaded.model.generation_config, settings  # unset values come from there
    try:
        with torch.inference_mode():
            out = loaded.model.generate(context, attention_mask=torch.ones_like(context), generation_config=settings)
    finally:
        loaded.model.generation_config = usual
    return [int(i) for i in out[0, context.shape[1] :]]


def run_generation(
    loaded: LoadedModel, prompts: tuple[str, ...], max_new_tokens: int, top_k: int, *, steps: bool
) -> GenerationResult:
    """Continue every prompt; the figures are means over all steps of all prompts."""
    generations = tuple(generate(loaded, prompt, max_new_tokens, top_k, steps=steps) for prompt in prompts)
    chosen = [step.chosen.probability for generation in generations for step in generation.steps]
    metrics = {"new_tokens": float(sum(len(generation.ids) for generation in generations))}
    if chosen:
        metrics["mean_probability"] = sum(chosen) / len(chosen)
    return GenerationResult(metrics, loaded.name, generations)


def describe(result: GenerationResult) -> str:
    """Lay out the generations for people."""
    parts = []
    for generation in result.generations:
        ids = " ".join(map(str, generation.prompt_ids))
        tokens = " ".join(map(quoted, generation.prompt_tokens))
        lines = [f"{visible(result.model)} continues {quoted(generation.prompt)}", f"  ids     {ids}"]
        lines += [f"  tokens  {tokens}", ""]
        if generation.steps:
            shown = max(len(step.candidates) for step in generation.steps)
            rows = [["step", "chosen", *[f"candidate {n}" for n in range(1, shown + 1)]]]
            for step in generation.steps:
                cells = [f"{quoted(c.token)} {c.probability:.4f}" for c in step.candidates]
                rows.append([str(step.step), quoted(step.chosen.token), *cells, *[""] * (shown - len(cells))])
            lines += [table(rows), "", "  generate() agrees with the steps:"]
        text = visible(generation.prompt + generation.continuation, keep="\n").replace("\n", "\n  ")
        lines += [f"  {text}", f"  ({len(generation.ids)} new tokens, ended by {generation.ended_by})", ""]
        parts.append("\n".join(lines))
    return "\n".join(parts)
