"""Decide what a run will do, before anything heavy is loaded: its settings, its shards, and the rows of every step.

Settings and folders go in, a `Plan` comes out. This wing reads, and writes nothing; it loads neither torch
nor the hub's client, unless a run starts from another model.
"""

from train.plan.batch import (
    IGNORED,
    VALIDATION_EPOCH,
    Ints,
    Masking,
    Order,
    TrainingBatch,
    causal_batch,
    filled_up,
    mix,
    share,
)
from train.plan.folders import OURS, PLOTS, PLOTTED, holds_a_model, refuse_foreign
from train.plan.inputs import refuse_large_batch
from train.plan.plan import Plan, make_plan
from train.plan.warm_start import FAMILIES, NAMES, WarmStart

__all__ = [
    "FAMILIES",
    "IGNORED",
    "NAMES",
    "OURS",
    "PLOTS",
    "PLOTTED",
    "VALIDATION_EPOCH",
    "Ints",
    "Masking",
    "Order",
    "Plan",
    "TrainingBatch",
    "WarmStart",
    "causal_batch",
    "filled_up",
    "holds_a_model",
    "make_plan",
    "mix",
    "refuse_foreign",
    "refuse_large_batch",
    "share",
]
