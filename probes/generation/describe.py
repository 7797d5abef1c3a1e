"""Lay out generations for people."""

from probes.generation.choosing import Candidate, Decoding
from probes.generation.generate import Generation, GenerationResult, GenerationStep
from probes.generation.layers import Layer
from probes.output import quoted, table
from wikilm.terminal import visible


def describe(result: GenerationResult) -> str:
    """Lay out the generations for people."""
    return "\n".join(_one(result, generation) for generation in result.generations)


def _one(result: GenerationResult, generation: Generation) -> str:
    lines = [
        f"{visible(result.model)} continues {quoted(generation.prompt)}{_how(result.decoding)}",
        f"  ids     {' '.join(map(str, generation.prompt_ids))}",
        f"  tokens  {' '.join(map(quoted, generation.prompt_tokens))}",
        "",
    ]
    if generation.layers:
        lines += ["  what each layer alone would say next:", layers_table(generation.layers), ""]
    if generation.steps:
        lines += [_steps(generation.steps), "", f"  {_agreement(generation)}"]
    text = visible(generation.prompt + generation.continuation, keep="\n").replace("\n", "\n  ")
    return "\n".join([*lines, f"  {text}", f"  ({len(generation.ids)} new tokens, ended by {generation.ended_by})", ""])


def _how(decoding: Decoding) -> str:
    if decoding.is_greedy:
        return ""
    limits = [("top-k", decoding.top_k), ("top-p", decoding.top_p)]
    said = [f"{name} {value:g}" for name, value in limits if value is not None]
    return ", ".join([f", drawn at temperature {decoding.temperature:g}", *said, f"seed {decoding.seed}"])


def _steps(steps: tuple[GenerationStep, ...]) -> str:
    shown = max(len(step.candidates) for step in steps)
    rows = [["step", "chosen", *[f"candidate {n}" for n in range(1, shown + 1)]]]
    for step in steps:
        cells = [_cell(candidate) for candidate in step.candidates]
        rows.append([str(step.step), quoted(step.chosen.token), *cells, *[""] * (shown - len(cells))])
    return table(rows)


def layers_table(layers: tuple[Layer, ...], indent: str = "  ") -> str:
    """Lay out what each layer says, a line for each."""
    rows = [["layer", *[f"candidate {n}" for n in range(1, len(layers[0].candidates) + 1)]]]
    rows += [[str(one.layer or "embeddings"), *map(_cell, one.candidates)] for one in layers]
    return table(rows, indent)


def _cell(candidate: Candidate) -> str:
    return f"{quoted(candidate.token)} {candidate.probability:.4f}"


def _agreement(generation: Generation) -> str:
    parted = generation.parting
    if parted is None:
        return "generate() agrees with the steps:"
    why = "a tie, which rounding decides" if parted.is_tie else "more than rounding explains"
    return (
        f"generate() takes {_cell(parted.by_generate)} at step {parted.step}, where the steps take "
        f"{_cell(parted.chosen)}, by {parted.margin:.2g} nats ({why}). The steps give:"
    )
