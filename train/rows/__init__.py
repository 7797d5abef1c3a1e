"""Bring the rows of a step to its device, and record which were seen.

A plan and its shards go in, batches come out. This wing reads shards, and writes the exposures.
"""

from train.rows.exposures import exposures_of
from train.rows.feed import DEFAULT, Feed, Part
from train.rows.prefetch import Prefetch
from train.rows.token_bytes import NONE_OF_MASKED, NONE_OF_TOKENIZER

__all__ = [
    "DEFAULT",
    "NONE_OF_MASKED",
    "NONE_OF_TOKENIZER",
    "Feed",
    "Part",
    "Prefetch",
    "exposures_of",
]
