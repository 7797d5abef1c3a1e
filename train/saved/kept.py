"""Keep weights of a run beside its checkpoints: those of the lowest validation loss, and those of every so many steps.

RUN/best/step-00000250/model.safetensors  of the lowest loss, as long as the history of a checkpoint names it
RUN/kept/step-00000100/model.safetensors  of a multiple of `keep_every_steps`
                      /hashes.json        its sha256

A folder is written whole before the checkpoint that may name it. What is later than the newest checkpoint is written
again, to the same bytes, by the run that goes on from there.
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file, save
from torch import Tensor

from train.hosts.processes import tell
from train.progress import Point, lowest_validation
from train.runs import saved_steps, step_name
from wikilm.files import new_folder, remove_folder, sha256_of

if TYPE_CHECKING:
    from train.settings import PretrainSettings

BEST, KEPT = "best", "kept"
MODEL, HASHES = "model.safetensors", "hashes.json"


class Keeper:
    """Chooses what is kept while a run trains; all processes ask what it wants, and the main one keeps it."""

    def __init__(self, run: Path, settings: "PretrainSettings") -> None:
        self._run, self._settings = run, settings
        self._best: tuple[int, dict[str, Tensor]] | None = None  # on the CPU, until the next checkpoint

    def wants(self, step: int, history: list[Point]) -> bool:
        """Return whether the weights that this step has left are to be kept."""
        return self._is_due(step) or self._is_best(step, history)

    def keep(self, step: int, history: list[Point], weights: Mapping[str, Tensor]) -> None:
        """Write the weights of a step that is due, and remember them where they are the best so far.

        Raises:
            OSError: they cannot be written.
        """
        if self._is_due(step):
            save_weights(self._run / KEPT, step, weights)
        if self._is_best(step, history):
            self._best = step, {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}

    def write_best(self) -> None:
        """Write the best weights since the last checkpoint, if there are any: the next checkpoint will name them.

        Raises:
            OSError: they cannot be written.
        """
        if self._best:
            save_weights(self._run / BEST, *self._best)
            self._best = None

    def _is_due(self, step: int) -> bool:
        every = self._settings.keep_every_steps
        return every is not None and step % every == 0

    def _is_best(self, step: int, history: list[Point]) -> bool:
        validated = self._settings.keep_best and history and history[-1]["step"] == step
        return bool(validated and "validation_loss" in history[-1] and lowest_step(history) == step)


def lowest_step(history: list[Point]) -> int | None:
    """Return the step of the lowest validation loss, None where nothing has been validated."""
    lowest = lowest_validation(history)
    return lowest["step"] if lowest else None


def save_weights(place: Path, step: int, weights: Mapping[str, Tensor]) -> None:
    """Write the weights of a step into a folder of its own, whole or not at all.

    Raises:
        OSError: they cannot be written.
    """
    with new_folder(place / step_name(step)) as folder:
        (folder / MODEL).write_bytes(save(contiguous(weights)))
        (folder / HASHES).write_text(json.dumps({MODEL: sha256_of(folder / MODEL)}, indent=1), encoding="utf-8")


def load_weights(place: Path, step: int) -> dict[str, Tensor] | None:
    """Load the weights of a step; None, and its reason on stderr, where they are not there or not what was written."""
    path = place / step_name(step)
    try:
        hashes = json.loads((path / HASHES).read_text(encoding="utf-8"))
        if sha256_of(path / MODEL) == hashes[MODEL]:
            return load_file(path / MODEL)
        reason = f"{MODEL} is not what was written"
    except FileNotFoundError:
        reason = "was not kept"
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"is damaged ({type(error).__name__}: {error})"
    tell(f"{path}: {reason}; leaving it out of what is exported")
    return None


def remove_unnamed(run: Path, states: Iterable[Mapping[str, Any]], until: int) -> None:
    """Remove the best weights up to a step that none of these checkpoints' states names any more.

    Later ones wait for the checkpoint that will name them.
    """
    named = {lowest_step(state.get("history", [])) for state in states}
    for step in saved_steps(run / BEST):
        if step <= until and step not in named:
            remove_folder(run / BEST / step_name(step))


def take_over_kept(run: Path, other: Path) -> None:
    """Give a run the kept weights of another one, which keeps them as well: by links where the device has them.

    Raises:
        OSError: they cannot be written.
    """
    for place in (BEST, KEPT):
        for step in saved_steps(other / place):
            name = step_name(step)
            with new_folder(run / place / name) as folder:
                for file in (MODEL, HASHES):
                    _link(other / place / name / file, folder / file)


def contiguous(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors as safetensors wants them: on the CPU, each in one piece of its own."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _link(source: Path, target: Path) -> None:
    """Give a file, which is never written to again, a second name, or copy it where that cannot be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
