"""Remember what a run has reached: its step, its losses, and the points of its curves."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from train.progress.curves import Point, lowest_validation, validations_since_lowest
from wikilm.errors import RunError

if TYPE_CHECKING:
    from train.plan import Plan


@dataclass
class Progress:
    """What the loop must remember between steps; checkpoints hold it, too."""

    step: int = 0
    losses: list[float] = field(default_factory=list)  # of the steps since the last point of the curve
    sum_of_losses: float = 0.0  # of all steps
    seconds: float = 0.0  # of all sessions up to the checkpoint
    history: list[Point] = field(default_factory=list)
    skipped_steps: int = 0  # in fp16, where a gradient was too large
    loss_scale: dict[str, Any] = field(default_factory=dict)  # in fp16

    def add_losses(self, losses: list[float], plan: "Plan") -> None:
        """Add the losses of the last steps.

        Raises:
            RunError: one of them is no number.
        """
        for step, loss in enumerate(losses, start=self.step - len(losses) + 1):
            if not math.isfinite(loss):
                if plan.start and step == 1:  # before any update
                    raise RunError(
                        f"{plan.start.name}: gives a loss of {loss} at step 1, before any update: its weights or its "
                        f"config.json are broken; name another model"
                    )
                raise RunError(
                    f"the loss is {loss} at step {step}: the model has diverged; lower pretrain.{plan.objective}."
                    f"learning_rate (now {plan.settings.learning_rate}) or set clip_norm, then start again"
                )
        self.losses += losses
        self.sum_of_losses += sum(losses)

    def take_mean_loss(self) -> float:
        """Return the mean loss of the steps since this was last asked."""
        losses, self.losses = self.losses, []
        return sum(losses) / len(losses)

    def add_point(self, point: Point) -> None:
        """Add a point to the history, or to the point that its step has there already."""
        if self.newest_point():
            self.history[-1] |= point
        else:
            self.history.append(point)

    def newest_point(self) -> Point:
        """Return the point of this step; an empty one where it has none."""
        return self.history[-1] if self.history and self.history[-1]["step"] == self.step else Point()

    def is_exhausted(self, patience: int | None) -> bool:
        """Return whether as many validations as `early_stopping` says have gone by without a lower loss.

        The history decides it, which all processes have and checkpoints hold, so that a resumed run ends where an
        undisturbed one does.
        """
        return patience is not None and validations_since_lowest(self.history) >= patience

    def told_exhausted(self, plan: "Plan") -> str:
        """Return a line for people that says why a run ends early."""
        lowest = lowest_validation(self.history) or {}
        return (
            f"early stopping: no lower loss in {plan.settings.early_stopping} validations after step "
            f"{lowest['step']:,} ({lowest['validation_loss']:.4f}); ended at step {self.step:,} of "
            f"{plan.planned_steps:,}"
        )
