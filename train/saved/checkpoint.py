"""Save a run's state in checkpoints, and find the newest whole one again after any crash.

RUN/step-00000250/model.safetensors      parameters, tied ones once
RUN/step-00000250/optimizer.safetensors  as `Optimizers.state` names them
RUN/step-00000250/state.json             what the loop must remember
RUN/step-00000250/hashes.json            sha256 of the three, and the name of the run
"""

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save
from torch import Tensor

from train.hosts.processes import tell
from train.runs import PREFIX, saved_steps, step_name
from train.saved.kept import BEST, HASHES, KEPT, MODEL, contiguous, remove_unnamed, take_over_kept
from wikilm.files import UNFINISHED, new_folder, remove_folder, sha256_of

CHECKPOINTS_KEPT = 2  # checkpoints: one may be damaged without the run being lost
OPTIMIZER, STATE = "optimizer.safetensors", "state.json"
RUN = "run"  # in the hashes: the name of the run that the checkpoint is of


@dataclass(frozen=True)
class Checkpoint:
    """All that a run resumes from."""

    step: int
    model: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    state: Mapping[str, Any]


def save_checkpoint(run: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint; once it is whole and on the device, remove all but the `CHECKPOINTS_KEPT` newest.

    Raises:
        OSError: it cannot be written; older checkpoints stand as before.
    """
    path = checkpoint_path(run, checkpoint.step)
    with new_folder(path) as folder:
        # `save` gives bytes, whose writing fails with an OSError that says why; `save_file` would hide it in its own
        (folder / MODEL).write_bytes(save(contiguous(checkpoint.model)))
        (folder / OPTIMIZER).write_bytes(save(contiguous(checkpoint.optimizer)))
        (folder / STATE).write_text(json.dumps(checkpoint.state), encoding="utf-8")
        hashes = {name: sha256_of(folder / name) for name in (MODEL, OPTIMIZER, STATE)}
        (folder / HASHES).write_text(json.dumps(hashes | {RUN: run.name}, indent=1), encoding="utf-8")
    whole = [step for step in saved_steps(run) if step <= checkpoint.step]
    for step in whole[:-CHECKPOINTS_KEPT]:
        remove_folder(checkpoint_path(run, step))
    remove_unnamed(run, states(run), checkpoint.step)
    return path


def checkpoint_path(run: Path, step: int) -> Path:
    """Return where the checkpoint of a step is."""
    return run / step_name(step)


def states(run: Path) -> Iterator[dict[str, Any]]:
    """Yield the state of each checkpoint of a run that can be read."""
    for step in saved_steps(run):
        with contextlib.suppress(OSError, ValueError):
            yield json.loads((checkpoint_path(run, step) / STATE).read_text(encoding="utf-8"))


def take_over(run: Path, other: Path) -> int:
    """Give a run the newest whole checkpoint of another one, which is removed, and its kept weights; return its step.

    Raises:
        OSError: it cannot be written; the other run stands as before.
    """
    found = newest_checkpoint(other)
    if found is None:
        return 0
    take_over_kept(run, other)
    save_checkpoint(run, found)
    remove_folder(other)
    return found.step


def newest_checkpoint(run: Path) -> Checkpoint | None:
    """Return the newest checkpoint whose files are what their hashes say; a damaged one is skipped, with a note on
    stderr.
    """
    paths = sorted(run.glob(f"{PREFIX}*"))
    while paths:
        path = paths.pop()
        if problem := damage(path):
            then = "for an older checkpoint" if paths else "without an older one to resume from"
            tell(f"{path}: {problem}; skipping it {then}")
            continue
        return Checkpoint(
            step=int(path.name.removeprefix(PREFIX)),
            model=load_file(path / MODEL),
            optimizer=load_file(path / OPTIMIZER),
            state=json.loads((path / STATE).read_text(encoding="utf-8")),
        )
    return None


def damage(path: Path) -> str | None:
    """Return what is wrong with a checkpoint, or None."""
    try:
        hashes = json.loads((path / HASHES).read_text(encoding="utf-8"))
        for name in (MODEL, OPTIMIZER, STATE):
            if sha256_of(path / name) != hashes[name]:
                return f"{name} is not what was written"
        if not path.name.removeprefix(PREFIX).isdecimal():
            return "its name says no step"
        if hashes[RUN] != path.parent.name:
            return f"is a checkpoint of another run ({hashes[RUN]})"
    except NotADirectoryError:
        return "is a file, and no checkpoint"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"is damaged ({type(error).__name__}: {error})"
    return None


def remove_run(run: Path) -> None:
    """Remove a finished run's state, and the folder above it when nothing else is in there."""
    if run.exists():
        remove_folder(run)
    if run.parent.exists() and not run.parent.is_mount() and not any(run.parent.iterdir()):
        run.parent.rmdir()


def clear_unfinished(run: Path) -> None:
    """Remove the unfinished checkpoint of a killed run, and its unfinished weights."""
    for folder in (run, run / BEST, run / KEPT):
        for left in folder.glob(f".*{UNFINISHED}"):
            shutil.rmtree(left, ignore_errors=True)
