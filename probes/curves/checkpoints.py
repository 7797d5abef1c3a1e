"""Find the checkpoints of a training in its model's folder: the last weights, the best ones, and those kept on the way.

MODEL                      the last weights
MODEL/best                 those of the lowest validation loss
MODEL/steps/step-00000050  those of every `keep_every_steps` steps
"""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from wikilm.errors import RunError
from wikilm.model_folder import TRAINING

BEST, STEPS = "best", "steps"


@dataclass(frozen=True)
class Checkpoint:
    """The weights that a training had after a step."""

    folder: Path
    step: int
    is_best: bool  # of all validations, the one after this step had the lowest loss
    is_last: bool


class _Trained(BaseModel):
    """What is read of a training.json."""

    steps: int = Field(ge=0)


def find_checkpoints(model: Path) -> tuple[Checkpoint, ...]:
    """Find the checkpoints of a model's folder, in the order of their steps; each step once.

    Raises:
        RunError: it is no folder that training wrote, or a copy in it is damaged.
    """
    last = _step(model)
    folders = {last: model}
    for folder in sorted((model / STEPS).glob("step-*")):
        folders.setdefault(_step(folder), folder)
    best = _step(model / BEST) if (model / BEST).is_dir() else None
    if best is not None:
        folders.setdefault(best, model / BEST)
    return tuple(Checkpoint(folders[step], step, step == best, step == last) for step in sorted(folders))


def has_kept(model: Path) -> bool:
    """Return whether a model's folder holds weights of steps on the way."""
    return any((model / STEPS).glob("step-*"))


def _step(folder: Path) -> int:
    """Return the step after which weights were as they are in a folder."""
    path = folder / TRAINING
    try:
        return _Trained.model_validate_json(path.read_bytes()).steps
    except FileNotFoundError:
        raise RunError(
            f"{path}: no such file, so its step is not known: name a folder that python -m train wrote"
        ) from None
    except OSError as error:
        raise RunError(f"{path}: cannot read it: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "file"
        raise RunError(f"{path}: {place}: {first['msg']}; train the model again") from None
