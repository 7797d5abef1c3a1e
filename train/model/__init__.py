"""Build the model, fresh or from trained weights, and what it is trained on: its loss.

A plan goes in; a `transformers` model and a function of its loss come out. This wing reads trained
weights, and writes nothing.
"""

from train.model.build import architecture, is_embedding, parameter_counts
from train.model.compiling import backend
from train.model.loss import SummedLoss
from train.model.precision import has_bf16_units
from train.model.sharded import gathered, is_shared_out, part_of, shard, whole
from train.model.warm_weights import CONFIGS, filled, read_weights, refuse_untied

__all__ = [
    "CONFIGS",
    "SummedLoss",
    "architecture",
    "backend",
    "filled",
    "gathered",
    "has_bf16_units",
    "is_embedding",
    "is_shared_out",
    "parameter_counts",
    "part_of",
    "read_weights",
    "refuse_untied",
    "shard",
    "whole",
]
