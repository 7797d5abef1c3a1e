"""Files in, a folder under its final name out, or no trace of it: written beside it, synced, then renamed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wikilm.errors import UsageError

TRAINING = "training.json"  # what marks the folder of a finished model as ours
UNFINISHED = ".unfinished"  # how the name of a folder ends that is being written or taken away


def refuse_foreign(output: Path) -> None:
    """Raise unless `output` is free, empty, or an earlier model of ours, which may be replaced.

    Raises:
        UsageError: it holds something else.
    """
    if output.is_dir() and not output.is_symlink():
        if not any(output.iterdir()) or (output / TRAINING).is_file():
            return
    elif not output.exists() and not output.is_symlink():
        return
    raise UsageError(f"{output}: holds something that is no model of ours; remove it or name another --output")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder to fill, which becomes `path` when the block ends well and is removed when it does not.

    A folder that stands at `path` is replaced: between its removal and the rename there is none, never a mixture.

    Raises:
        OSError: it cannot be written, as when the device is full.
    """
    unfinished = path.with_name(f".{path.name}{UNFINISHED}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        for file in sorted(unfinished.rglob("*")):
            _sync(file)
        _sync(unfinished)
        if path.exists():
            remove_folder(path)
        unfinished.rename(path)
        _sync(path.parent)
    except BaseException as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full device does not say where it is
        raise


def remove_folder(path: Path) -> None:
    """Remove a folder so that its name is never that of a part of it."""
    going = path.with_name(f".{path.name}.gone{UNFINISHED}")
    shutil.rmtree(going, ignore_errors=True)
    path.rename(going)
    shutil.rmtree(going, ignore_errors=True)


def _sync(path: Path) -> None:
    """Have the device hold what was written."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
