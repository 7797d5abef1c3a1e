"""Continue prompts.

A causal model and texts go in, chosen tokens come out. This wing touches no file.
"""

from probes.generation.choosing import Candidate, Decoding, top
from probes.generation.decoding import continue_rows
from probes.generation.describe import layers_table
from probes.generation.generate import Generation, GenerationResult, continue_prompts, run_generation
from probes.generation.layers import Layer, by_layer, layer_logits

__all__ = [
    "Candidate",
    "Decoding",
    "Generation",
    "GenerationResult",
    "Layer",
    "by_layer",
    "continue_prompts",
    "continue_rows",
    "layer_logits",
    "layers_table",
    "run_generation",
    "top",
]
