"""Find the checkpoints of a training in its model's folder: the last weights, the best ones, and those kept on the way.

MODEL                      the last weights
MODEL/best                 those of the lowest validation loss
MODEL/steps/step-00000050  those of every `keep_every_steps` steps
"""

from dataclasses import dataclass
from pathlib import Path

from probes.records import step_of
from wikilm.model_folder import BEST, STEPS


@dataclass(frozen=True)
class Checkpoint:
    """The weights that a training had after a step."""

    folder: Path
    step: int
    is_best: bool  # of all validations, the one after this step had the lowest loss
    is_last: bool


def find_checkpoints(model: Path) -> tuple[Checkpoint, ...]:
    """Find the checkpoints of a model's folder, in the order of their steps; each step once.

    Raises:
        RunError: it is no folder that training wrote, or a copy in it is damaged.
    """
    last = step_of(model)
    folders = {last: model}
    for folder in sorted((model / STEPS).glob("step-*")):
        folders.setdefault(step_of(folder), folder)
    best = step_of(model / BEST) if (model / BEST).is_dir() else None
    if best is not None:
        folders.setdefault(best, model / BEST)
    return tuple(Checkpoint(folders[step], step, step == best, step == last) for step in sorted(folders))


def has_kept(model: Path) -> bool:
    """Return whether a model's folder holds weights of steps on the way."""
    return any((model / STEPS).glob("step-*"))
