"""Ask what each layer alone would say: the logit lens.

The vectors after a block are given to the model's last norm and head, as if no block followed. From nostalgebraist,
"interpreting GPT: the logit lens" (2020, lesswrong.com).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from probes.generation.choosing import Candidate, top
from probes.model import LoadedModel, blocks_of, by_memory, rows_at_a_time
from wikilm.errors import RunError


@dataclass(frozen=True)
class Layer:
    """What one layer alone would say at one place."""

    layer: int  # 0: the embeddings, before any block; the last is the model's own answer
    candidates: tuple[Candidate, ...]  # likeliest first


def by_layer(loaded: LoadedModel, logits: Tensor, shown: int) -> tuple[Layer, ...]:
    """Return the likeliest tokens of each layer by its logits, [layers and embeddings, vocabulary]."""
    return tuple(Layer(number, top(loaded, row, shown)) for number, row in enumerate(logits))


def layer_logits(loaded: LoadedModel, inputs: dict[str, Tensor], places: Sequence[int]) -> Tensor:
    """Return float32 [layers and embeddings, places, vocabulary]: the logits that each layer alone would give.

    The model's own code applies its norm and head: after its last block, the vectors of all layers go on side by side.

    Args:
        loaded: a model that applies blocks one after another.
        inputs: of its forward pass, for one text.
        places: which places of the text are asked about; -1 is the last.

    Raises:
        RunError: the model is not made so.
    """
    _, depth = blocks_of(loaded)
    options = {"use_cache": False} if loaded.kind == "causal" else {}

    def compute(part: slice) -> Tensor:
        with torch.inference_mode(), _side_by_side(loaded, part):
            logits: Tensor = loaded.model(**inputs, **options).logits
        if len(logits) != part.stop - part.start:
            raise RunError(f"{loaded.name}: does not apply its blocks one by one, so its layers cannot be asked")
        return loaded.ranked(logits[:, list(places)])

    tokens = int(inputs["input_ids"].shape[1])
    return torch.cat(list(by_memory(depth + 1, rows_at_a_time(loaded.device, tokens * loaded.output_size), compute)))


@contextmanager
def _side_by_side(loaded: LoadedModel, part: slice) -> Iterator[None]:
    """Let the last block of a pass give the vectors of a slice of all layers, as so many texts."""
    blocks, depth = blocks_of(loaded)
    states: list[Tensor] = []

    def before(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not states:
            states.append(args[0] if args else kwargs["hidden_states"])

    def after(_: Any, __: Any, output: Any) -> Any:
        states.append(output if isinstance(output, Tensor) else output[0])
        if len(states) <= depth:
            return None
        stacked = torch.cat(states)[part]
        return stacked if isinstance(output, Tensor) else (stacked, *output[1:])

    hooks = [block.register_forward_hook(after) for block in blocks]
    hooks.append(blocks[0].register_forward_pre_hook(before, with_kwargs=True))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
