"""Describe what a model is made of, and the shapes at every step of its work on a text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from probes.model.blocks import blocks_of
from probes.model.loading import LoadedModel
from probes.output import counted, quoted, table
from wikilm.errors import RunError, UsageError
from wikilm.terminal import visible

# Which part of a model a parameter inside its base belongs to, by its name; the first rule that fits decides. What lies
# outside of the base is the head. `state space` is what Mamba and its kin have in the place of attention.
PARTS = ("embedding", "attention", "state space", "mlp", "norm", "head", "other")
_RULES = (
    ("norm", r"(^|[._])(ln|norm|layernorm)([._\d]|$)|layer_?norm|_norm\.|norm_f|_norm$"),
    ("attention", r"attn|attention"),
    ("embedding", r"embed|\bwte\b|\bwpe\b|project_(in|out)"),
    ("state space", r"\bmixer\b|mamba|ssm|conv1d|time_mix"),
    ("mlp", r"mlp|\bfc\d?\b|ffn|feed_?forward|intermediate|output\.dense|\.lin[12]\.|moe|expert"),
)


@dataclass(frozen=True)
class Part:
    """Parameters of one part of the model."""

    part: str
    parameters: int
    share: float  # of all parameters, from 0 to 1


@dataclass(frozen=True)
class Step:
    """What flows at one step of the model's work."""

    step: str
    shape: tuple[int, ...]
    meaning: str


@dataclass(frozen=True)
class Anatomy:
    """What a model is made of, and what becomes of a text in it."""

    model: str
    kind: str
    architecture: str
    layers: int | None
    layers_of_their_own: int | None  # blocks with weights: fewer than `layers` where they share them, as in ALBERT
    heads: int | None  # None where the model has no attention
    width: int | None
    positions: int | None
    vocabulary: int
    parameters: int  # tied weights counted once
    tied: bool  # the head shares the embedding's matrix
    parts: tuple[Part, ...]
    text: str
    tokens: tuple[str, ...]
    ids: tuple[int, ...]
    steps: tuple[Step, ...]


def part_of(name: str) -> str:
    """Return the part that a parameter of this name, inside a model's base, belongs to."""
    lowered = name.lower()
    return next((part for part, rule in _RULES if re.search(rule, lowered)), "other")


def count_parts(model: Any) -> tuple[Part, ...]:
    """Parameters of `model` by part, every stored matrix counted once however many names it has.

    A matrix that the head shares with the embedding is the embedding's.
    """
    base = {id(p) for p in model.base_model.parameters()}
    embedding, output = ({id(p) for p in _parameters(m)} for m in _ends(model))
    counts = dict.fromkeys(PARTS, 0)
    for name, parameter in model.named_parameters():  # leaves out the second name of a tied matrix
        is_head = id(parameter) not in base or id(parameter) in output
        part = "embedding" if id(parameter) in embedding else "head" if is_head else part_of(name)
        counts[part] += parameter.numel()
    total = sum(counts.values())
    return tuple(Part(part, n, n / total) for part, n in counts.items() if n or part == "head")


def _ends(model: Any) -> tuple[Any, Any]:
    """Return the module that looks tokens up, and the one that gives the logits, or None."""
    return model.get_input_embeddings(), model.get_output_embeddings()


def _parameters(module: Any) -> list[nn.Parameter]:
    return [] if module is None else list(module.parameters())


def anatomy(loaded: LoadedModel, text: str) -> Anatomy:
    """Run `text` through the model and note the shape of everything on the way.

    Raises:
        UsageError: the text gives no tokens, or more than the model has positions.
    """
    model, config = loaded.model, loaded.model.config.get_text_config()
    listed = list(loaded.encode(text).ids)
    if not listed:
        raise UsageError("--text: gives no tokens; write a word or two")
    loaded.check_length(len(listed), "--text")
    embedding, output = (getattr(module, "weight", None) for module in _ends(model))
    return Anatomy(
        model=loaded.name,
        kind=loaded.kind,
        architecture=type(model).__name__,
        layers=getattr(config, "num_hidden_layers", None),
        layers_of_their_own=_own_layers(loaded),
        heads=getattr(config, "num_attention_heads", None),
        width=getattr(config, "hidden_size", None),
        positions=loaded.positions,
        vocabulary=loaded.output_size,
        parameters=sum(p.numel() for p in model.parameters()),
        tied=embedding is not None and embedding is output,
        parts=count_parts(model),
        text=text,
        tokens=tuple(loaded.show(i) for i in listed),
        ids=tuple(listed),
        steps=_steps(loaded, listed),
    )


def _own_layers(loaded: LoadedModel) -> int | None:
    try:
        return len(blocks_of(loaded)[0])
    except RunError:
        return None


def _steps(loaded: LoadedModel, listed: Sequence[int]) -> tuple[Step, ...]:
    """Shapes from ids to logits."""
    model, ids = loaded.model, loaded.tensor([listed])
    inside, hooks = _watch_first_block(loaded)
    options = {"output_hidden_states": True} | ({"use_cache": False} if loaded.takes("use_cache") else {})
    if loaded.takes("output_attentions") or not model._is_stateful:
        options["output_attentions"] = True
    usual = model.config._attn_implementation
    try:
        # The fused kernels never form the matrix of attention weights.
        if usual not in (None, "eager"):
            model.set_attn_implementation("eager")
        with torch.inference_mode():
            out = model(input_ids=ids, **options)
    finally:
        if usual not in (None, "eager"):
            model.set_attn_implementation(usual)
        for hook in hooks:
            hook.remove()
    steps = [Step("ids", tuple(ids.shape), "texts, tokens: one number for each token")]
    hidden, attentions = out.hidden_states, getattr(out, "attentions", None) or ()
    # Llama and its kin have no vectors of places: attention turns queries and keys by them.
    placed = any(re.search(r"\bwpe\b|position", name) for name, _ in model.named_parameters())
    place = ", with its place" if placed else "; its place comes in where attention is computed"
    steps.append(Step("embeddings", tuple(hidden[0].shape), f"each token as a vector of `width` numbers{place}"))
    for number, state in enumerate(hidden[1:], start=1):
        if number <= len(attentions) and attentions[number - 1] is not None:
            weights = attentions[number - 1]
            meaning = "texts, heads, from, to: how much each token takes from each other"
            steps.append(Step(f"block {number}: attention weights", tuple(weights.shape), meaning))
        if number == 1:
            steps += [Step(f"block 1: {name}", shape, "the layer's output") for name, shape in inside]
        steps.append(Step(f"block {number}: hidden state", tuple(state.shape), "the vectors after this block"))
    steps.append(Step("logits", tuple(out.logits.shape), "for each place, a score for every entry of the vocabulary"))
    return tuple(steps)


def _watch_first_block(loaded: LoadedModel) -> tuple[list[tuple[str, tuple[int, ...]]], list[Any]]:
    """Hooks on the layers of the first block, and the list that they fill with (name, shape of the output)."""
    seen: list[tuple[str, tuple[int, ...]]] = []
    try:
        blocks, _ = blocks_of(loaded)
    except RunError:
        return seen, []

    def note(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and name not in dict(seen):  # a block that is shared is called again
                seen.append((name, tuple(output.shape)))

        return hook

    leaves = [
        (name, module)
        for name, module in blocks[0].named_modules()
        if not list(module.children()) and list(module.parameters(recurse=False))
    ]
    return seen, [module.register_forward_hook(note(name)) for name, module in leaves]


def describe(result: Anatomy) -> str:
    """Lay out the anatomy for people."""
    head = f"{visible(result.model)}: {result.architecture}, a {result.kind} language model"
    shared = result.layers_of_their_own not in (None, result.layers)
    made = ", ".join(
        [
            counted(result.layers, "block") + (f" that share the weights of {result.layers_of_their_own}" * shared),
            "no attention" if result.heads is None else counted(result.heads, "head"),
            f"width {result.width}",
            "no limit of positions" if result.positions is None else f"{result.positions} positions",
            f"{result.vocabulary:,} entries in the vocabulary",
        ]
    )
    rows: list[Sequence[str]] = [("part", "parameters", "share")]
    rows += [(part.part, f"{part.parameters:,}", f"{100 * part.share:.1f} %") for part in result.parts]
    rows.append(("all", f"{result.parameters:,}", "100.0 %"))
    tied = "The head uses the embedding's matrix, which is counted once.\n" if result.tied else ""
    shapes: list[Sequence[str]] = [("step", "shape", "what it is")]
    shapes += [(step.step, str(list(step.shape)), step.meaning) for step in result.steps]
    tokens = " ".join(f"{i}:{quoted(token)}" for i, token in zip(result.ids, result.tokens, strict=True))
    text = f"The text {quoted(result.text)} as tokens:\n  {tokens}"
    return f"{head}\n{made}\n\n{table(rows)}\n{tied}\n{text}\n\n{table(shapes)}\n"
