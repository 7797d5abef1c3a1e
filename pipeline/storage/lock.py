"""Let one run at a time write to an output place; another is refused, and told who is at work."""

import contextlib
import errno
import fcntl
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.storage.place import Place
from wikilm.errors import RunError, UsageError
from wikilm.locks import NO_FLOCK

BEAT_SECONDS = 20.0
DEAD_SECONDS = 180.0  # a lock object whose holder has not been heard of for so long may be taken over


class Holder(BaseModel):
    """Who holds a lock, as its file says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    processes: str  # says on which machine, and in which of its containers, `pid` is a process
    pid: int
    since: str
    token: str
    beat: float = Field(allow_inf_nan=False)  # seconds since 1970: when the holder was last alive

    @classmethod
    def this_process(cls) -> "Holder":
        """This process, now."""
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return cls(
            host=socket.gethostname(),
            processes=_processes(),
            pid=os.getpid(),
            since=since,
            token=uuid.uuid4().hex,
            beat=time.time(),
        )

    def data(self) -> bytes:
        """Return the content of the lock file, with a beat of now."""
        return self.model_copy(update={"beat": time.time()}).model_dump_json().encode()

    @property
    def is_dead(self) -> bool:
        """Whether it was a process of this machine that no longer exists."""
        if self.processes != _processes():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except (PermissionError, OverflowError):
            return False
        return False


class Lock:
    """A lock that is held. `check` says whether it still is, which matters where no kernel guards it."""

    def __init__(self, output: Place, is_ours: Callable[[], bool] = lambda: True) -> None:
        """Keep the place, and a function that says whether its lock is still ours."""
        self._output, self._is_ours, self._lost = output, is_ours, threading.Event()

    @property
    def is_lost(self) -> bool:
        """Whether another run has it now. Looked up each time: this one may have slept since its last beat."""
        if not self._lost.is_set() and not self._is_ours():
            self._lost.set()
        return self._lost.is_set()

    def check(self) -> None:
        """Raise RunError if another run has taken the lock over, which it may when this one seemed dead."""
        if self.is_lost:
            raise RunError(
                f"{self._output}: another run took this folder over, since this one was not heard of for "
                f"{DEAD_SECONDS:.0f} s; nothing was published by this one"
            )


@contextlib.contextmanager
def exclusive(output: Place, name: str) -> Iterator[Lock]:
    """Hold the lock of an output place while the block runs.

    In a folder the kernel keeps the lock, and frees it when a run dies; the file `name` in it only tells who has it.
    In an object store, and in file systems without locks, the file is the lock: made by a write that fails where there
    is one, kept alive by a thread, and taken over when its process is gone or has been silent for `DEAD_SECONDS`.

    Raises:
        UsageError: another run has it.
    """
    me = Holder.this_process()
    if output.is_local and (descriptor := _flock(output, name)) is not None:
        try:
            output.write(name, me.data())
            yield Lock(output)
        finally:
            with contextlib.suppress(OSError):  # it only told who had the lock
                output.remove(name)
            os.close(descriptor)
        return
    _acquire(output, name, me)
    lock, stop = Lock(output, lambda: _has(output, name, me)), threading.Event()
    thread = threading.Thread(target=_beat, args=(output, name, me, lock, stop), daemon=True)
    thread.start()
    try:
        yield lock
    finally:
        stop.set()
        thread.join()
        if _has(output, name, me):
            output.remove(name)


def holder_of(output: Place, name: str) -> Holder | None:
    """Who has the lock according to its file; None if there is no file, or it cannot be read."""
    try:
        return Holder.model_validate_json(output.read(name))
    except (FileNotFoundError, ValidationError):
        return None


def _has(output: Place, name: str, me: Holder) -> bool:
    """Return whether the lock file says that it is ours."""
    holder = holder_of(output, name)
    return holder is not None and holder.token == me.token


def _flock(output: Place, name: str) -> int | None:
    """Return a descriptor that holds the kernel's lock on a folder; None where its file system has no locks."""
    descriptor = os.open(output.path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_still(descriptor, output.path):
            raise UsageError(f"{output}: another run has just removed this folder; run again")
        return descriptor
    except OSError as error:
        os.close(descriptor)
        if error.errno in NO_FLOCK:
            return None
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise _taken(output, holder_of(output, name)) from None
        raise
    except UsageError:
        os.close(descriptor)
        raise


def _is_still(descriptor: int, path: Path) -> bool:
    """Return whether the folder that was opened is the one of that name: a run that fails removes a folder that it
    made.
    """
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _acquire(output: Place, name: str, me: Holder) -> None:
    """Make the lock file, or take over that of a dead run."""
    if output.create_new(name, me.data()):
        return
    holder = holder_of(output, name)
    if holder is None or not holder.is_dead:
        # A beat in the future is one of a wrong clock, and says nothing.
        if holder is not None and 0 <= time.time() - holder.beat < DEAD_SECONDS:
            raise _taken(output, holder)
        time.sleep(2 * BEAT_SECONDS)  # its clock may be wrong, or it is just being written: only silence counts
        if holder_of(output, name) != holder:
            raise _taken(output, holder)
    mine = me.data()
    output.write(name, mine)
    time.sleep(2 * _settle(output))  # another may have taken it over at the same time: the last one has it
    now = holder_of(output, name)
    if now is None or now.token != me.token:
        raise _taken(output, now)


def _settle(output: Place) -> float:
    from pipeline.storage.store_writer import SETTLE_SECONDS

    return 0.1 if output.is_local else SETTLE_SECONDS


def _beat(output: Place, name: str, me: Holder, lock: Lock, stop: threading.Event) -> None:
    """Renew the lock now and then, as a sign of life, until another run has it."""
    while not stop.wait(BEAT_SECONDS):
        with contextlib.suppress(OSError, RunError):  # no connection, for now
            if lock.is_lost:
                return
            output.write(name, me.data())


def _taken(output: Place, holder: Holder | None) -> UsageError:
    who = f" (host {holder.host}, process {holder.pid}, since {holder.since})" if holder else ""
    return UsageError(f"{output}: another run is writing there{who}; wait for it, or name another --output")


def _processes() -> str:
    """Return what a process id is unique in: one boot of a machine, and a container on it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:  # no Linux
        return f"{socket.gethostname()} {uuid.getnode():x}"
