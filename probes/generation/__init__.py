"""Continue prompts.

A causal model and texts go in, chosen tokens come out. This wing touches no file.
"""

from probes.generation.greedy import GenerationResult, top

__all__ = [
    "GenerationResult",
    "top",
]
