"""An output folder in, a finished set of shards in it out, or nothing: no final name before the ledger balances."""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.command import UsageError
from pipeline.shard_format import DEAD_LETTERS, MANIFEST, SPLITS

UNFINISHED = ".unfinished"  # where a run works; a folder that has it was left by a run that was killed
FINAL = (*SPLITS, DEAD_LETTERS, MANIFEST)


@contextmanager
def work_folder(output: Path) -> Iterator[Path]:
    """A folder to work in, inside `output`; gone afterwards, with all that was not published.

    Raises:
        UsageError: `output` is no folder, holds what is not ours, or is being written by another run.
    """
    existed = output.exists()
    _refuse_foreign(output)
    output.mkdir(parents=True, exist_ok=True)
    with _only_one(output):
        work = output / UNFINISHED
        shutil.rmtree(work, ignore_errors=True)
        try:
            work.mkdir()
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
            if not existed and not any(output.iterdir()):
                output.rmdir()


def publish(work: Path, output: Path, manifest: Path) -> None:
    """Give all that lies in `work` its final name in `output`, the manifest last.

    An earlier set goes first, and of it the manifest first, so that no manifest ever vouches for another run's
    shards. Until the end, `work` marks the folder as unfinished.

    Args:
        work: holds the split folders and the dead letters.
        output: where they go.
        manifest: the manifest, still under another name.
    """
    _remove(output, reversed(FINAL))
    try:
        for name in FINAL[:-1]:
            (work / name).rename(output / name)
        sync(output)
        manifest.rename(output / MANIFEST)
        sync(output)
    except BaseException:
        _remove(output, reversed(FINAL))
        raise


def _refuse_foreign(output: Path) -> None:
    if output.is_symlink() or output.exists():
        if not output.is_dir():
            raise UsageError(f"{output}: is not a folder; name another one with --output")
        names = {entry.name for entry in output.iterdir()}
        ours = MANIFEST in names or UNFINISHED in names
        foreign = names - {*FINAL, UNFINISHED} if ours else names
        if foreign:
            raise UsageError(
                f"{output}: holds something that is not a set of shards ({min(foreign)!r}); "
                "name an empty or new folder with --output"
            )


@contextmanager
def _only_one(output: Path) -> Iterator[None]:
    """Hold the folder's lock, so that two runs never clear each other's work."""
    descriptor = os.open(output, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            os.close(descriptor)
            raise UsageError(f"{output}: another run is writing there; wait for it, or name another --output") from None
        # A file system without locks (some network mounts): go on without.
    try:
        yield
    finally:
        os.close(descriptor)


def _remove(output: Path, names: Iterable[str]) -> None:
    for name in names:
        path = output / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have the device hold what was written to a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
