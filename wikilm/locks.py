"""Let one process at a time write to a folder of this machine; another is refused, and told who is at work."""

import contextlib
import errno
import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from wikilm.errors import UsageError

NO_FLOCK = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
MOST_BYTES = 1000  # of what a lock file says


@contextlib.contextmanager
def exclusive(path: Path, told: str, way_out: str) -> Iterator[None]:
    """Hold the kernel's lock on a file while the block runs. It says who has it, and is gone afterwards.

    The kernel frees the lock when the process ends, however it does. A file system without locks is told of on stderr.

    Args:
        path: the file, in a folder that is made where there is none.
        told: what to say to the second process; who the first is stands after it.
        way_out: what it can do, which stands last.

    Raises:
        UsageError: another process has it.
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _lock(path, told, way_out)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, _this_process().encode())
        yield
    finally:
        with contextlib.suppress(OSError):  # it may have become read-only, and what failed for that is what matters
            path.unlink()  # before the lock is free, so that the file is ours
        os.close(descriptor)


def beside(folder: Path) -> Path:
    """Return the lock file of a folder that may be replaced as a whole: one, by whatever links the folder is named."""
    real = folder.resolve()
    return real.with_name(f".{real.name}.lock")


def _lock(path: Path, told: str, way_out: str) -> int:
    """Open a file and lock it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass  # whoever had it has just removed it
        except BlockingIOError:
            who = os.read(descriptor, MOST_BYTES).decode(errors="replace")
            os.close(descriptor)
            raise UsageError(f"{told} ({who or 'another process'}): {way_out}") from None
        except OSError as error:
            if error.errno in NO_FLOCK:
                print(f"{path}: this file system has no locks; let nothing else write there", file=sys.stderr)
                return descriptor
            os.close(descriptor)
            raise
        os.close(descriptor)


def _this_process() -> str:
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"host {socket.gethostname()}, process {os.getpid()}, since {since}"
