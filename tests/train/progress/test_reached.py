"""A loss that is no number is told with its cause: the first weights before any update, and the rate after it."""

import math
from types import SimpleNamespace
from typing import Any

import pytest

from train.progress.reached import Progress
from wikilm.errors import RunError


def plan(start: str | None) -> Any:
    """What is told of a run: its objective, its rate, and the model that it starts from."""
    first = SimpleNamespace(name=start) if start else None
    return SimpleNamespace(objective="causal", settings=SimpleNamespace(learning_rate=0.5), start=first)


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("start", "step", "told"),
    [
        ("models/x", 1, r"^models/x: gives a loss of .* at step 1, before any update: .* name another model$"),
        ("models/x", 2, r"^the loss is .* at step 2: the model has diverged; lower pretrain\.causal\.learning_rate"),
        (None, 1, r"^the loss is .* at step 1: the model has diverged; lower"),
    ],
)
def test_a_loss_that_is_no_number_is_told_with_its_cause(loss: float, start: str | None, step: int, told: str) -> None:
    with pytest.raises(RunError, match=told):
        Progress(step=step).add_losses([3.0] * (step - 1) + [loss], plan(start))
