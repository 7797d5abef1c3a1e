"""Measure what a model has learned by heart.

A causal model and rows go in, shares come out. This wing touches no file.
"""

from probes.recitation.recite import RecitationResult, Recited

__all__ = [
    "RecitationResult",
    "Recited",
]
