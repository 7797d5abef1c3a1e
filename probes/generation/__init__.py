"""Continue prompts.

A causal model and texts go in, chosen tokens come out. This wing touches no file.
"""

from probes.generation.choosing import top
from probes.generation.decoding import continue_rows
from probes.generation.generate import GenerationResult
from probes.generation.layers import Layer, by_layer, layer_logits

__all__ = [
    "GenerationResult",
    "Layer",
    "by_layer",
    "continue_rows",
    "layer_logits",
    "top",
]
