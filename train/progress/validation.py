"""Validate a model on rows that it is not trained on: loss, perplexity and bits per byte, over all processes."""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch
from accelerate import Accelerator

from train.hosts.agreement import sum_over_processes
from train.model import SummedLoss
from train.plan import IGNORED
from train.progress.curves import Point
from train.rows import DEFAULT, NONE_OF_MASKED, NONE_OF_TOKENIZER, Feed, Part
from train.rows.token_bytes import token_bytes
from wikilm.model_folder import TOKENIZER

if TYPE_CHECKING:
    from train.plan import Plan

MOST_NATS = 700.0  # exp of more is no float any more


class Validation:
    """The validation of a run: its own rows, and those of other sets that were named."""

    def __init__(self, plan: "Plan", accelerator: Accelerator, feed: Feed) -> None:
        self._accelerator, self._feed = accelerator, feed
        self.names = list(plan.validation)
        counts = None
        if plan.objective == "causal":
            counts = token_bytes(plan.tokenizer_folder / TOKENIZER, plan.manifest.tokenizer.vocab_size)
        self.no_bytes = None if counts is not None else no_bytes(plan)
        self._bytes = None if counts is None else torch.from_numpy(counts).to(accelerator.device)

    def point(self, loss: SummedLoss) -> Point:
        """Return what a model, by its loss, adds to the curves."""
        found = {name: self._of(loss, self._feed.validation_parts(name)) for name in (DEFAULT, *self.names)}
        return as_point(found.pop(DEFAULT), found)

    def lacks(self, point: Point) -> bool:
        """Return whether a point of the curves has not been validated on all sets."""
        return "validation_loss" not in point or not point.get("validation", {}).keys() >= set(self.names)

    @torch.no_grad()
    def _of(self, loss: SummedLoss, parts: Iterable[Part]) -> dict[str, float]:
        """Return the figures of one set.

        Args:
            loss: the model's own, not DDP's forward, which would wait for processes that have a part more or less.
            parts: this process's share of the rows.
        """
        accelerator, training = self._accelerator, loss.training
        loss.eval()
        total = torch.zeros((), dtype=torch.float64, device=accelerator.device)
        size = torch.zeros((), dtype=torch.int64, device=accelerator.device)
        count = 0
        for part in parts:
            targets = part.inputs[2]
            with accelerator.autocast():
                total += loss(*part.inputs).double()
            count += part.targets
            if self._bytes is not None:
                size += self._bytes[targets.clamp(min=0)].where(targets != IGNORED, 0).sum()
        loss.train(training)
        nats, number, text = (float(sum_over_processes(accelerator, value)) for value in (total, count, size))
        return figures(nats, number, None if self._bytes is None else text)


def no_bytes(plan: "Plan") -> str:
    """Return why there are no bits per byte, where there are none."""
    return NONE_OF_MASKED if plan.objective == "masked" else NONE_OF_TOKENIZER


def figures(nats: float, targets: float, text_bytes: float | None) -> dict[str, float]:
    """Return the mean loss per target, its exponential, and bits per byte.

    Args:
        nats: the loss, summed over the targets.
        targets: tokens that were predicted.
        text_bytes: of text that they stand for. End-of-text stands for none, while its loss counts: where an article
            ends has to be told as well (as Gao et al. 2020, "The Pile", count). None gives no bits per byte.
    """
    mean = nats / max(1.0, targets)
    found = {"loss": mean, "perplexity": math.exp(min(mean, MOST_NATS))}
    return found if not text_bytes else found | {"bits_per_byte": nats / math.log(2) / text_bytes}


def as_point(own: Mapping[str, float], others: Mapping[str, Mapping[str, float]]) -> Point:
    """Return the figures of a run's own validation rows, and of other sets by their names, as a point of the curves."""
    point: Point = {"validation_loss" if name == "loss" else name: value for name, value in own.items()}
    return point | {"validation": dict(others)} if others else point
