"""Validate a model on rows that it is not trained on: loss and perplexity per target, over all processes."""

import math
from collections.abc import Iterable

import torch
from accelerate import Accelerator
from torch import Tensor

from train.curves import Point
from train.feed import Inputs
from train.loss import SummedLoss

MOST_NATS = 700.0  # exp of more is no float any more


@torch.no_grad()
def validate(accelerator: Accelerator, loss: SummedLoss, parts: Iterable[Inputs]) -> Point:
    """Return the mean loss per target of the rows that all processes have, each its own parts, and its exponential.

    Args:
        accelerator: the processes that share the rows.
        loss: the model's own, not DDP's forward, which would wait for processes that have a part more or less.
        parts: this process's share of the rows.
    """
    training = loss.training
    loss.eval()
    total = torch.zeros((), dtype=torch.float64, device=accelerator.device)
    targets = 0
    for part in parts:
        total += loss(*part).double()
        targets += len(part[2])
    loss.train(training)
    return figures(float(sum_over_processes(accelerator, total)), int(sum_over_processes(accelerator, targets)))


def figures(nats: float, targets: int) -> Point:
    """Return what a summed loss over so many targets is, per target and as perplexity."""
    mean = nats / max(1, targets)
    return {"validation_loss": mean, "perplexity": math.exp(min(mean, MOST_NATS))}


def sum_over_processes(accelerator: Accelerator, value: Tensor | int) -> Tensor:
    """Return the sum of a number over all processes."""
    tensor = value if isinstance(value, Tensor) else torch.tensor(value, device=accelerator.device)
    return accelerator.reduce(tensor, "sum") if accelerator.num_processes > 1 else tensor
