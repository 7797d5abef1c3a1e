"""Continue prompts, greedily or by drawing, token by token and by `generate()`, and say where the two part."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from probes.generation.choosing import GREEDY, Candidate, Decoding, NextTokens, candidate, top
from probes.generation.decoding import Batch, Choose, decode, in_batches
from probes.generation.layers import Layer, by_layer, layer_logits
from probes.generation.reference import Parting, by_generate, parting
from probes.model import LoadedModel
from probes.output import quoted
from probes.records import Finite
from probes.settings import GenerationSettings
from wikilm.errors import UsageError


@dataclass(frozen=True)
class GenerationStep:
    """One step: the likeliest next tokens, and the one taken."""

    step: int
    candidates: tuple[Candidate, ...]  # likeliest first
    chosen: Candidate


@dataclass(frozen=True)
class Generation:
    """A continuation of one prompt."""

    prompt: str
    prompt_ids: tuple[int, ...]
    prompt_tokens: tuple[str, ...]
    steps: tuple[GenerationStep, ...]  # empty where steps were not asked for
    ids: tuple[int, ...]  # what was added, an end-of-text id included
    tokens: tuple[str, ...]
    continuation: str  # special tokens left out
    ended_by: str  # "end of text" or "length"
    parting: Parting | None  # where generate() goes another way; None also where steps were not asked for
    layers: tuple[Layer, ...]  # what each layer alone would say after the prompt; empty where not asked for


@dataclass(frozen=True)
class GenerationResult:
    """What the command `generate` answers."""

    metrics: dict[str, Finite]
    model: str
    decoding: Decoding
    generations: tuple[Generation, ...]


def run_generation(
    loaded: LoadedModel,
    settings: GenerationSettings,
    *,
    steps: bool = False,
    layers: bool = False,
    flag: str = "--prompt",
) -> GenerationResult:
    """Continue every prompt; the figures are means over all steps of all prompts.

    Args:
        loaded: a causal model.
        settings: the prompts, and how to continue them.
        steps: note each step with its candidates, and compare with `generate()`.
        layers: ask what each layer alone would say after the prompt.
        flag: what the prompts are called in errors.

    Raises:
        UsageError: the model is no causal one, or a prompt and its continuation exceed its positions.
        RunError: its layers cannot be asked one by one.
    """
    decoding = Decoding(settings.temperature, settings.top_k, settings.top_p, settings.seed)
    generations = continue_prompts(
        loaded, settings.prompts, settings.max_new_tokens, decoding, shown=settings.shown if steps else 0, flag=flag
    )
    if layers:
        generations = tuple(replace(one, layers=_layers(loaded, one.prompt_ids, settings.shown)) for one in generations)
    chosen = [step.chosen.probability for generation in generations for step in generation.steps]
    metrics = {"new_tokens": float(sum(len(generation.ids) for generation in generations))}
    if chosen:
        metrics["mean_probability"] = sum(chosen) / len(chosen)
    return GenerationResult(metrics, loaded.name, decoding, generations)


def continue_prompts(
    loaded: LoadedModel,
    prompts: Sequence[str],
    max_new_tokens: int,
    decoding: Decoding = GREEDY,
    *,
    shown: int = 0,
    chosen: Sequence[int] = (),
    flag: str = "--prompt",
) -> tuple[Generation, ...]:
    """Continue each prompt by at most `max_new_tokens` tokens, all in batches, as if each were alone.

    An empty prompt starts at the beginning of a text. A prompt that does not fit together with its continuation is
    refused rather than cut, since what a cut model answers belongs to another prompt.

    Args:
        loaded: a causal model.
        prompts: texts.
        max_new_tokens: ids to add at most.
        decoding: how the next token is chosen.
        shown: how many candidates to note at each step; 0 notes no steps. With them, `generate()` is asked too.
        chosen: ids that come first in every continuation, whatever the model prefers; `generate()` is not asked then.
        flag: what the prompts are called in errors.

    Raises:
        UsageError: the model is no causal one, or a prompt and its continuation exceed its positions.
    """
    if loaded.kind != "causal":
        raise UsageError(f"{loaded.name}: a masked model does not generate; give a causal one, or use fill-mask")
    texts = [encoded.ids or (loaded.start_id,) for encoded in loaded.encode_all(prompts)]
    for prompt, ids in zip(prompts, texts, strict=True):
        what = f"{flag} {quoted(prompt)} of {len(ids)} tokens and --max-new-tokens {max_new_tokens}"
        loaded.check_length(len(ids) + max_new_tokens, what)
    ends = end_ids(loaded)

    def compute(batch: Batch) -> list[Generation]:
        own = [texts[number] for number in batch.numbers]
        notes: list[list[GenerationStep]] = [[] for _ in own]
        choose = _along(chosen, NextTokens(decoding, own), batch.ids.shape[1])
        if shown:
            choose = _noted(loaded, choose, notes, min(shown, decoding.top_k or shown))
        added = decode(loaded, batch.ids, batch.seen, max_new_tokens, choose, ends).tolist()
        ours = [_until(ids, ends) for ids in added]
        partings: list[Parting | None] = [None] * len(own)
        if shown and not chosen:
            theirs = by_generate(loaded, batch, max_new_tokens, decoding, own, ends).tolist()
            partings = [parting(loaded, *sides) for sides in zip(own, ours, theirs, strict=True)]
        named = [prompts[number] for number in batch.numbers]
        return [_generation(loaded, *row, ends) for row in zip(named, own, notes, ours, partings, strict=True)]

    return tuple(in_batches(loaded, texts, max_new_tokens, compute))


def _along(chosen: Sequence[int], choose: Choose, given: int) -> Choose:
    """Return what chooses the given ids first, and then as `choose` does; `given` tokens are there before."""

    def along(ids: Tensor, logits: Tensor) -> Tensor:
        step = ids.shape[1] - given
        return ids.new_full((len(ids),), chosen[step]) if step < len(chosen) else choose(ids, logits)

    return along


def _noted(loaded: LoadedModel, choose: Choose, notes: list[list[GenerationStep]], shown: int) -> Choose:
    """Return `choose`, which also notes each row's step, with so many candidates."""

    def noted(ids: Tensor, logits: Tensor) -> Tensor:
        chosen = choose(ids, logits)
        for row, steps, token in zip(logits, notes, chosen.tolist(), strict=True):
            candidates = top(loaded, row, shown)
            taken = next((c for c in candidates if c.id == token), None) or candidate(loaded, row, token)
            steps.append(GenerationStep(len(steps) + 1, candidates, taken))
        return chosen

    return noted


def _layers(loaded: LoadedModel, ids: Sequence[int], shown: int) -> tuple[Layer, ...]:
    """Return what each layer alone would say after `ids`."""
    return by_layer(loaded, layer_logits(loaded, {"input_ids": loaded.tensor([ids])}, [-1])[:, 0], shown)


def _generation(
    loaded: LoadedModel,
    prompt: str,
    prompt_ids: Sequence[int],
    steps: Sequence[GenerationStep],
    ids: Sequence[int],
    parted: Parting | None,
    ends: Sequence[int],
) -> Generation:
    return Generation(
        prompt=prompt,
        prompt_ids=tuple(prompt_ids),
        prompt_tokens=tuple(loaded.show(i) for i in prompt_ids),
        steps=tuple(steps[: len(ids)]),
        ids=tuple(ids),
        tokens=tuple(loaded.show(i) for i in ids),
        continuation=loaded.text_after(prompt_ids, ids, special=False),
        ended_by="end of text" if ids and ids[-1] in ends else "length",
        parting=parted,
        layers=(),
    )


def _until(ids: list[int], ends: Sequence[int]) -> list[int]:
    """Return ids up to the first of `ends`."""
    return ids[: next((n + 1 for n, i in enumerate(ids) if i in ends), len(ids))]


def end_ids(loaded: LoadedModel) -> list[int]:
    """Return the ids after which a text has ended: the model's own, or else the tokenizer's."""
    own = loaded.model.generation_config.eos_token_id
    ids = own if isinstance(own, list) else [own if own is not None else loaded.tokenizer.eos_token_id]
    return [int(i) for i in ids if i is not None]
