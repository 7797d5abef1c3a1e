"""Describe what a model is made of, and the shapes at every step of its work on a text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from probes.model.loading import LoadedModel
from probes.output import counted, quoted, table
from wikilm.errors import UsageError
from wikilm.terminal import visible

# Which part of the model a parameter belongs to, by its name; the first rule that fits decides. The names are those
# of GPT-2, BERT and their kin (RoBERTa, Llama, Qwen, Mistral, OPT, Pythia).
PARTS = ("embedding", "attention", "mlp", "norm", "head", "other")
_RULES = (
    ("head", r"^(lm_head|cls|embed_out|vocab_|generator|decoder\.(weight|bias))"),
    ("norm", r"(^|[._])(ln|norm|layernorm)([._\d]|$)|layer_?norm|_norm\."),
    ("attention", r"attn|attention"),
    ("embedding", r"embed|\bwte\b|\bwpe\b"),
    ("mlp", r"mlp|\bfc\d?\b|ffn|feed_forward|intermediate|output\.dense|\.lin[12]\."),
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
    heads: int | None
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
    """Return the part of the model that a parameter of this name belongs to."""
    lowered = name.lower()
    return next((part for part, rule in _RULES if re.search(rule, lowered)), "other")


def count_parts(model: nn.Module) -> tuple[Part, ...]:
    """Parameters of `model` by part, every stored matrix counted once however many names it has."""
    counts = dict.fromkeys(PARTS, 0)
    for name, parameter in model.named_parameters():  # leaves out the second name of a tied matrix
        counts[part_of(name)] += parameter.numel()
    total = sum(counts.values())
    return tuple(Part(part, n, n / total) for part, n in counts.items() if n or part == "head")


def anatomy(loaded: LoadedModel, text: str) -> Anatomy:
    """Run `text` through the model and note the shape of everything on the way.

    Raises:
        UsageError: the text gives no tokens, or more than the model has positions.
    """
    model, config = loaded.model, loaded.model.config
    encoded = loaded.tokenizer(text, return_tensors="pt")
    ids: Tensor = encoded["input_ids"].to(loaded.device)
    if ids.shape[-1] == 0:
        raise UsageError("--text: gives no tokens; write a word or two")
    loaded.check_length(ids.shape[-1], "--text")
    listed = [int(i) for i in ids[0]]
    shared = {
        id(p) for p in (_weight(model.get_input_embeddings()), _weight(model.get_output_embeddings())) if p is not None
    }
    return Anatomy(
        model=loaded.name,
        kind=loaded.kind,
        architecture=type(model).__name__,
        layers=getattr(config, "num_hidden_layers", None),
        heads=getattr(config, "num_attention_heads", None),
        width=getattr(config, "hidden_size", None),
        positions=loaded.positions,
        vocabulary=loaded.output_size,
        parameters=sum(p.numel() for p in model.parameters()),
        tied=len(shared) == 1,
        parts=count_parts(model),
        text=text,
        tokens=tuple(loaded.show(i) for i in listed),
        ids=tuple(listed),
        steps=_steps(model, ids),
    )


def _weight(module: Any) -> Any:
    return getattr(module, "weight", None)


def _steps(model: Any, ids: Tensor) -> tuple[Step, ...]:
    """Shapes from ids to logits."""
    inside, hooks = _watch_first_block(model)
    usual = model.config._attn_implementation
    model.set_attn_implementation("eager")  # the fused kernels never form the matrix of attention weights
    try:
        with torch.inference_mode():
            out = model(input_ids=ids, output_hidden_states=True, output_attentions=True, use_cache=False)
    finally:
        model.set_attn_implementation(usual)
        for hook in hooks:
            hook.remove()
    steps = [Step("ids", tuple(ids.shape), "texts, tokens: one number for each token")]
    hidden = out.hidden_states
    # Llama and its kin have no vectors of places: attention turns queries and keys by them.
    placed = any(re.search(r"\bwpe\b|position", name) for name, _ in model.named_parameters())
    place = ", with its place" if placed else "; its place comes in where attention is computed"
    steps.append(Step("embeddings", tuple(hidden[0].shape), f"each token as a vector of `width` numbers{place}"))
    for number, state in enumerate(hidden[1:], start=1):
        if out.attentions is not None and number <= len(out.attentions):
            weights = out.attentions[number - 1]
            meaning = "texts, heads, from, to: how much each token takes from each other"
            steps.append(Step(f"block {number}: attention weights", tuple(weights.shape), meaning))
        if number == 1:
            steps += [Step(f"block 1: {name}", shape, "the layer's output") for name, shape in inside]
        steps.append(Step(f"block {number}: hidden state", tuple(state.shape), "the vectors after this block"))
    steps.append(Step("logits", tuple(out.logits.shape), "for each place, a score for every entry of the vocabulary"))
    return tuple(steps)


def _watch_first_block(model: nn.Module) -> tuple[list[tuple[str, tuple[int, ...]]], list[Any]]:
    """Hooks on the layers of the first block, and the list that they fill with (name, shape of the output)."""
    wanted = getattr(model.config, "num_hidden_layers", None)
    seen: list[tuple[str, tuple[int, ...]]] = []
    blocks = next((m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == wanted), None)
    if blocks is None:
        return seen, []

    def note(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
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
    made = (
        f"{counted(result.layers, 'block')}, {counted(result.heads, 'head')}, width {result.width}, "
        f"{result.positions} positions, {result.vocabulary:,} entries in the vocabulary"
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
