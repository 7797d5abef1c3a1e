"""Look, before anything is trained, whether a run may write to the folders that it was given."""

import json
import os
from pathlib import Path

from wikilm.errors import UsageError
from wikilm.model_folder import TRAINING

MOST_BYTES = 200  # of an output's name, which gets `.` before and words after it while the model is made
# What it removes when it starts (dvclive/live.py, `_init_cleanup`), though it writes none of these here
REMOVED_BY_DVCLIVE = ("*dvc.yaml", "params.yaml", "report.html", "report.md")


def refuse_foreign(output: Path) -> None:
    """Raise unless `output` is free, empty, or an earlier model of ours, which may be replaced.

    Raises:
        UsageError: it holds something else, or has no name beside which a new model can be made.
    """
    if not output.name or len(os.fsencode(output.name)) > MOST_BYTES:
        raise UsageError(f"--output {output}: name a folder by a name of its own, of {MOST_BYTES} bytes at most")
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


def refuse_others_files(metrics: Path) -> None:
    """Raise where a folder for curves holds what DVCLive would remove or overwrite, but did not write for us.

    Raises:
        UsageError: it names the file.
    """
    theirs = [path.name for pattern in REMOVED_BY_DVCLIVE for path in metrics.glob(pattern)]
    summary = metrics / "metrics.json"
    if os.path.lexists(summary):
        try:
            written = "step" in json.loads(summary.read_bytes())  # as DVCLive's own has it
        except (OSError, ValueError, TypeError):
            written = False
        theirs += [] if written else [summary.name]
    if theirs:
        raise UsageError(
            f"--metrics {metrics}: holds {theirs[0]}, which is no curve and which DVCLive would remove; name another "
            f"folder, or remove it"
        )
