"""Look, before anything is trained, whether a run may write to the folders that it was given."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from train.settings import DVCLIVE, Tracker
from wikilm.errors import UsageError
from wikilm.files import refuse_mount
from wikilm.model_folder import TRAINING
from wikilm.terminal import is_utf8

MOST_BYTES = 200  # of an output's name, which gets `.` before and words after it while the model is made
# What it removes when it starts (dvclive/live.py, `_init_cleanup`), though it writes none of these here
REMOVED_BY_DVCLIVE = ("*dvc.yaml", "params.yaml", "report.html", "report.md")
PLOTS, PLOTTED = "plots", "metrics"  # where its curves are, as TSV: all that is plotted here
KINDS_OF_PLOTS = (PLOTTED, "images", "sklearn", "custom")  # dvclive/plots, `subfolder` of each kind
OURS = ".wikilm"  # in the folder of each other tracker that a run has begun


def refuse_foreign(output: Path) -> None:
    """Raise unless `output` is free, empty, or an earlier model of ours, which may be replaced.

    Raises:
        UsageError: it holds something else, or has no name beside which a new model can be made.
    """
    if not output.name or len(os.fsencode(output.name)) > MOST_BYTES:
        raise UsageError(f"--output {output}: name a folder by a name of its own, of {MOST_BYTES} bytes at most")
    refuse_mount(output, "--output")
    if not is_utf8(str(output.resolve())):
        raise UsageError(f"--output {output}: lies in {output.resolve().parent}, whose name is not valid UTF-8")
    if output.is_dir() and not output.is_symlink():
        if not any(output.iterdir()) or (output / TRAINING).is_file():
            return
    elif not output.exists() and not output.is_symlink():
        return
    raise UsageError(f"{output}: holds something that is no model of ours; remove it or name another --output")


def holds_a_model(output: Path) -> bool:
    """Return whether there is something at `output` that may be a model: not so where it is free or empty."""
    return output.exists() and not (output.is_dir() and not any(output.iterdir()))


def refuse_inside(output: Path, folders: Mapping[str, Path | None]) -> None:
    """Raise where a folder that a training needs lies in the output, which is replaced as a whole at its end.

    Args:
        output: where the model goes.
        folders: the others by the flags or keys that name them; None where these were not given.

    Raises:
        UsageError: it names the flag or key.
    """
    for named, folder in folders.items():
        if folder is not None and folder.resolve().is_relative_to(output.resolve()):
            raise UsageError(
                f"{named} {folder}: lies in --output {output}, which the finished model replaces; name one outside it"
            )


def refuse_others_files(metrics: Path, trackers: Sequence[Tracker]) -> None:
    """Raise where a folder for curves holds what a tracker would remove or overwrite, but did not write for us.

    Raises:
        UsageError: it names the file or folder.
    """
    if DVCLIVE in trackers and (theirs := others_than_dvclive(metrics)):
        raise UsageError(
            f"--metrics {metrics}: holds {theirs[0].relative_to(metrics)}, which is no curve and which DVCLive would "
            f"remove; name another folder, or remove it"
        )
    for name in trackers:
        if name != DVCLIVE and not is_ours(metrics / name):
            raise UsageError(
                f"--metrics {metrics}: holds {name}, which a run makes anew and which none has marked as its own (by a "
                f"file {OURS}); name another folder, or remove it"
            )


def others_than_dvclive(metrics: Path) -> list[Path]:
    """Return what DVCLive would remove in its folder, but has not written for us."""
    theirs = [path for pattern in REMOVED_BY_DVCLIVE for path in metrics.glob(pattern)]
    theirs += [
        path
        for folder in KINDS_OF_PLOTS
        for path in sorted((metrics / PLOTS / folder).rglob("*"))
        if not path.is_dir() and (folder != PLOTTED or path.suffix != ".tsv")
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
    """Return whether a tracker's folder may be replaced: it is free, empty, or marked as ours."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        return False
    return not folder.exists() or (folder / OURS).is_file() or not any(folder.iterdir())
