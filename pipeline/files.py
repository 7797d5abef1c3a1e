"""A path in; an open file, its size, or its sha256 out. The one place that knows where files can lie."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from pipeline.command import RunError, UsageError

READ_BYTES = 1 << 20


def locate(path: str) -> str:
    """The absolute form of a path, which every worker understands whatever its current folder.

    Raises:
        UsageError: the path is an address, or nothing is there.
    """
    if "://" in path:
        raise UsageError(f"source.path: {path}: only local files can be read; download it and name the copy")
    if not os.path.exists(path):
        raise UsageError(f"source.path: {path}: no such file or folder")
    return os.path.abspath(path)


def open_file(path: str) -> BinaryIO:
    """Open for reading, at any place of the file.

    Raises:
        RunError: it cannot be opened.
    """
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise RunError(f"{path}: cannot read it: {error.strerror or error}") from None


def size_of(path: str) -> int:
    """Size in bytes.

    Raises:
        RunError: there is no such file, or it is empty.
    """
    try:
        size = os.stat(path).st_size
    except OSError as error:
        raise RunError(f"{path}: cannot read it: {error.strerror or error}") from None
    if size == 0:
        raise RunError(f"{path}: is empty; download or make it again")
    return size


def checksum(paths: Sequence[str], root: str = "") -> str:
    """'sha256:…' of one file's bytes; of several, that of the lines `sha256sum` would print from within `root`.

    Every byte is read once; a progress bar appears on a terminal when that takes longer than two seconds.
    """
    total = sum(size_of(path) for path in paths)
    digests = []
    with tqdm(total=total, unit="B", unit_scale=True, desc="sha256 of the source", delay=2, disable=None) as bar:
        for path in paths:
            digest = hashlib.sha256()
            with open_file(path) as file:
                while piece := file.read(READ_BYTES):
                    digest.update(piece)
                    bar.update(len(piece))
            digests.append(digest.hexdigest())
    if len(paths) == 1:
        return f"sha256:{digests[0]}"
    lines = [
        f"{digest}  {Path(os.path.relpath(path, root)).as_posix()}\n"
        for digest, path in zip(digests, paths, strict=True)
    ]
    return f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"
