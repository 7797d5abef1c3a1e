"""Scale the loss of a model that computes in fp16, whose small gradients would be zero otherwise.

The scale grows until a gradient overflows; that step is skipped, and the scale halved (Micikevicius et al. 2018, "Mixed
Precision Training"). In bf16 and fp32, whose range is wide enough, nothing is scaled.
"""

from typing import Any, cast

from torch import Tensor
from torch.amp import GradScaler
from torch.optim import Optimizer

from train.updates.optimizer import Optimizers


class LossScale:
    """The scale, and the updates that depend on it."""

    def __init__(self, scaler: GradScaler | None, optimizers: Optimizers) -> None:
        """Scale by `scaler`; None scales nothing."""
        self._scaler = scaler or GradScaler("cpu", enabled=False)
        self._optimizers = optimizers

    def scaled(self, loss: Tensor) -> Tensor:
        """Return the loss to compute gradients of."""
        return self._scaler.scale(loss)

    def unscale(self) -> None:
        """Bring the gradients to their own size."""
        self._scaler.unscale_(self._as_one)

    def update(self, rate: float) -> bool:
        """Update the parameters at this learning rate, or skip that; forget the gradients.

        Returns:
            Whether the parameters were updated: False where a gradient was too large for fp16.
        """
        before = self._scaler.get_scale()
        self._scaler.step(self._as_one, rate)
        self._scaler.update()
        if self._scaler.get_scale() < before:
            self._optimizers.zero_grad()
            return False
        return True

    def state(self) -> dict[str, Any]:
        """Return what to go on from, as JSON has it; empty where nothing is scaled."""
        return self._scaler.state_dict()

    def load(self, state: dict[str, Any]) -> None:
        """Load what `state` returned."""
        if state:
            self._scaler.load_state_dict(state)

    @property
    def _as_one(self) -> Optimizer:
        """All optimizers as the one that a scaler needs: it reads `param_groups`, and calls `step`."""
        return cast(Optimizer, self._optimizers)
