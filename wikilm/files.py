"""Write files and folders whole or not at all, and hash them."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".unfinished"  # how the name of a folder ends that is being written or taken away


def write_atomically(path: Path, content: str) -> None:
    """Write `content` to `path` by way of a temporary file beside it: the whole of it or nothing has that name.

    Raises:
        OSError: the folder cannot be made or written, or there is no space.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes 0600, which other users of a shared cache could not read
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Have the device hold what was written to a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
            sync(file)
        sync(unfinished)
        if path.exists():
            remove_folder(path)
        unfinished.rename(path)
        sync(path.parent)
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
