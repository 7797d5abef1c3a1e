"""Hold the folders that a training writes to, try them before the first step, and say what to do when one is full."""

import contextlib
import errno
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from safetensors import SafetensorError

from train.runs import saved_steps
from wikilm.again import but_fresh
from wikilm.errors import RunError, reason
from wikilm.locks import beside, exclusive

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
TRIED_BYTES = 4096  # a file system keeps a few bytes where it has no block left


@contextlib.contextmanager
def held(folders: Mapping[Path, str]) -> Iterator[None]:
    """Hold these folders, each with its flag, while the block runs; all of them can be written.

    Raises:
        UsageError: another training writes to one of them.
        RunError: one cannot be written.
    """
    with contextlib.ExitStack() as locks:
        for folder, flag in folders.items():
            way_out = f"name another --{flag}"
            told = f"{folder}: another training is writing there"
            try:
                locks.enter_context(exclusive(beside(folder), told, f"wait for it, or {way_out}"))
                try_writing(folder.parent if flag == "output" else folder)  # an output comes as a whole, by a rename
            except OSError as error:
                raise RunError(f"{folder}: cannot be written: {error.strerror or error}; {way_out}") from error
        yield


def try_writing(folder: Path) -> None:
    """Write a file into a folder, which is made where there is none, and remove it.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".tried.{uuid.uuid4().hex}"
    try:
        with path.open("xb") as file:
            file.write(b"\0" * TRIED_BYTES)
            file.flush()
            os.fsync(file.fileno())
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def failed_files_told(run: Path) -> Iterator[None]:
    """Say, where a device is full or a file cannot be written or read, how to go on from the checkpoints of this run.

    Raises:
        RunError: in place of the OSError.
    """
    try:
        yield
    except BrokenPipeError:  # whoever read our output has gone
        raise
    except OSError as error:
        step = max(saved_steps(run), default=0)
        if error.errno not in FULL:
            then = f"; the same command{but_fresh()} goes on from step {step}" if step else ""
            raise RunError(f"{reason(error)}{then}") from error
        way_out = "allow larger files (ulimit -f)" if error.errno == errno.EFBIG else "free some space"
        raise RunError(
            f"{os.strerror(error.errno)} while writing {error.filename or 'a file'}: {way_out}; the same command"
            f"{but_fresh()} goes on from step {step}; for another --output, add --runs {run.parent}"
        ) from error


def as_os_error(error: SafetensorError, path: Path) -> OSError:
    """Return the error of the system that safetensors met, which it tells as text alone."""
    number = re.search(r"os error (\d+)", str(error))
    return OSError(int(number[1]) if number else errno.EIO, str(error), str(path))
