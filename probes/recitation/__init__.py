"""Measure what a model has learned by heart.

A causal model and rows go in, shares come out. This wing reads shards and the record of the rows that were seen, and
writes nothing.
"""

from probes.recitation.attempts import Recited
from probes.recitation.recite import RecitationResult

__all__ = [
    "RecitationResult",
    "Recited",
]
