"""Look, before anything is trained, whether a run may write to the folders that it was given."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from train.settings import Tracker
from wikilm.errors import UsageError
from wikilm.files import refuse_mount, remove_folder
from wikilm.model_folder import TRAINING

MOST_BYTES = 200  # of an output's name, which gets `.` before and words after it while the model is made
# What it removes when it starts (dvclive/live.py, `_init_cleanup`), though it writes none of these here
REMOVED_BY_DVCLIVE = ("*dvc.yaml", "params.yaml", "report.html", "report.md")
CURVES = "metrics"  # below plots/, as TSV: all that is plotted here
PLOTS_OF_DVCLIVE = (CURVES, "images", "sklearn", "custom")  # dvclive/plots, `subfolder` of each kind
DVCLIVE: Tracker = "dvclive"
OURS = ".wikilm"  # in the folder of each other tracker


def refuse_foreign(output: Path) -> None:
    """Raise unless `output` is free, empty, or an earlier model of ours, which may be replaced.

    Raises:
        UsageError: it holds something else, or has no name beside which a new model can be made.
    """
    if not output.name or len(os.fsencode(output.name)) > MOST_BYTES:
        raise UsageError(f"--output {output}: name a folder by a name of its own, of {MOST_BYTES} bytes at most")
    refuse_mount(output, "--output")
    real = os.fsencode(output.resolve())
    if real != real.decode(errors="replace").encode():
        raise UsageError(f"--output {output}: lies in {output.resolve().parent}, whose name is not valid UTF-8")
    if output.is_dir() and not output.is_symlink():
        if not any(output.iterdir()) or (output / TRAINING).is_file():
            return
    elif not output.exists() and not output.is_symlink():
        return
    raise UsageError(f"{output}: holds something that is no model of ours; remove it or name another --output")


def refuse_inside(output: Path, **folders: Path | None) -> None:
    """Raise where a folder that a training writes to lies in the output, which is replaced as a whole at its end.

    Args:
        output: where the model goes.
        folders: the others by their flags; None where the flag was not given.

    Raises:
        UsageError: it names the flag.
    """
    for flag, folder in folders.items():
        if folder is not None and folder.resolve().is_relative_to(output.resolve()):
            raise UsageError(
                f"--{flag} {folder}: lies in --output {output}, which the finished model replaces; name one outside it"
            )


def refuse_others_files(metrics: Path, trackers: Sequence[Tracker]) -> None:
    """Raise where a folder for curves holds what a tracker would remove or overwrite, but did not write for us.

    Raises:
        UsageError: it names the file or folder.
    """
    theirs = [] if DVCLIVE not in trackers else others_than_dvclive(metrics)
    theirs += [metrics / name for name in trackers if name != DVCLIVE and not is_ours(metrics / name)]
    if theirs:
        raise UsageError(
            f"--metrics {metrics}: holds {theirs[0].relative_to(metrics)}, which is no curve of ours and which would "
            f"be removed; name another folder, or remove it"
        )


def others_than_dvclive(metrics: Path) -> list[Path]:
    """Return what DVCLive would remove in its folder, but has not written for us."""
    theirs = [path for pattern in REMOVED_BY_DVCLIVE for path in metrics.glob(pattern)]
    theirs += [
        path
        for folder in PLOTS_OF_DVCLIVE
        for path in sorted((metrics / "plots" / folder).rglob("*"))
        if not path.is_dir() and (folder != CURVES or path.suffix != ".tsv")
    ]
    summary = metrics / "metrics.json"
    if os.path.lexists(summary):
        try:
            written = "step" in json.loads(summary.read_bytes())  # as DVCLive's own has it
        except (OSError, ValueError, TypeError):
            written = False
        theirs += [] if written else [summary]
    return theirs


def is_ours(folder: Path) -> bool:
    """Return whether a tracker's folder may be replaced: it is free, empty, or was begun by `begin_folder`."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        return False
    return not folder.exists() or (folder / OURS).is_file() or not any(folder.iterdir())


def begin_folder(folder: Path) -> None:
    """Make the folder of a tracker anew, with a file that says whose it is.

    Raises:
        OSError: it cannot be written.
    """
    if folder.exists():
        remove_folder(folder)
    folder.mkdir(parents=True)
    (folder / OURS).write_text("Written by python -m train, which makes this folder anew when it begins or resumes.\n")
