"""Write files and folders whole or not at all, and hash them."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from wikilm.errors import UsageError

UNFINISHED = ".unfinished"  # how the name of a folder ends that is being written or taken away


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write, which becomes `path` when the block ends well and is removed when it does not.

    Readers see the old file or the whole new one. Several processes may write the same file at once: the last one wins.
    The mode is the umask's, as that of any new file.

    Raises:
        OSError: the folder cannot be made or written, or there is no space.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with _named(path):
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_atomically(path: Path, content: str) -> None:
    """Write `content` in UTF-8 to `path`, whole or not at all (see `new_file`)."""
    data = content.encode()
    with new_file(path) as file:
        file.write(data)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Make a folder to fill, which becomes `path` when the block ends well and is removed when it does not.

    A folder that stands at `path` is replaced: between its removal and the rename there is none, never a mixture. What
    a killed process left unfinished is removed, so only one process may make a folder at a time.

    Raises:
        OSError: it cannot be written, as when the device is full.
    """
    unfinished = path.with_name(f".{path.name}{UNFINISHED}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    with _named(path):
        try:
            yield unfinished
            for file in sorted(unfinished.rglob("*")):
                sync(file)
            sync(unfinished)
            if path.exists():
                remove_folder(path)
            unfinished.rename(path)
            sync(path.parent)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Add a path to errors of the system that name none: a write to a full device does not say where it was."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # whose text a name would hide
            error.add_note(f"while writing {path}")
        elif error.filename is None:
            error.filename = str(path)
        raise


def refuse_mount(path: Path, flag: str) -> None:
    """Raise where a folder that is to be replaced as a whole is a mount point, which no rename can replace.

    Raises:
        UsageError: it names the flag that named the folder.
    """
    if path.is_mount():
        raise UsageError(f"{flag} {path}: is a mount point, which cannot be replaced as a whole; name a folder in it")


def remove_folder(path: Path) -> None:
    """Remove a folder (or a link or a file in its place) in such a way that its name is never that of a part of it."""
    if path.is_symlink() or path.is_file():
        path.unlink()
        return
    going = path.with_name(f".{path.name}.gone{UNFINISHED}")
    shutil.rmtree(going, ignore_errors=True)
    path.rename(going)
    shutil.rmtree(going, ignore_errors=True)


def sync(path: Path) -> None:
    """Have the device hold what was written to a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Hash a file as hex sha256, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
