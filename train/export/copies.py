"""Choose the copies of a model that are exported within its folder: its best weights, and those that were kept.

OUTPUT/best                 the weights of the lowest validation loss, a whole export
OUTPUT/steps/step-00000100  weights of a step on the way, without a card
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from train.export.figures import figures_of_best
from train.plan import Plan
from train.runs import saved_steps, step_name
from train.saved import BEST, KEPT, load_weights
from wikilm.model_folder import STEPS


@dataclass(frozen=True)
class Copy:
    """A model to export: weights, figures, and where."""

    name: str  # of its folder, relative to the output
    weights: Mapping[str, Tensor]
    figures: dict[str, Any]  # for its training.json
    has_card: bool = True


def copies_to_export(plan: Plan, figures: dict[str, Any], last: Mapping[str, Tensor]) -> Iterator[Copy]:
    """Yield the copies of a run one by one, so that no two are in memory; what is damaged is told and left out.

    Args:
        plan: of the run.
        figures: of the whole run.
        last: its last weights, which may be the best as well.
    """
    steps = figures["steps"]
    if plan.settings.keep_best:
        best = figures["lowest_validation_step"]
        weights = last if best == steps else load_weights(plan.run / BEST, best)
        if weights is not None:
            yield Copy(BEST, weights, figures_of_best(figures))
    for step in saved_steps(plan.run / KEPT):
        weights = load_weights(plan.run / KEPT, step) if step <= steps else None
        if weights is not None:
            told = {name: figures[name] for name in ("objective", "planned_steps", "chunk_tokens", "vocab_size")}
            told |= {"steps": step, "tokens": figures["tokens"] // steps * step}
            yield Copy(f"{STEPS}/{step_name(step)}", weights, told, has_card=False)
