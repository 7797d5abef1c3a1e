"""Run commands that end with what started them, however that ends."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence

from wikilm.errors import RunError
from wikilm.starters import PROOF

HOURS = 1  # a training that takes longer hangs

_at_work: set["subprocess.Popen[str]"] = set()
_ending = threading.Event()
_lock = threading.Lock()  # no command begins once they are being ended


@contextlib.contextmanager
def ended_together() -> Iterator[None]:
    """End, where something makes the block end early, all commands at work in other threads; no other one begins."""
    _ending.clear()
    try:
        yield
    except BaseException:
        with _lock:
            _ending.set()
            at_work = list(_at_work)
        for process in at_work:
            _end(process)
        raise


def call(command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a command, inside `ended_together`; return its exit status, and the last line that it said.

    Raises:
        RunError: it hangs, or no command is to begin any more.
    """
    with _lock:
        if _ending.is_set():
            raise RunError("ended before it began")
        process = subprocess.Popen(
            command,
            env={**environment, PROOF: "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,  # so that it can be ended with all that it has started
        )
        _at_work.add(process)
    try:
        told = process.communicate(timeout=HOURS * 3600)[1]
    except subprocess.TimeoutExpired:
        _end(process)
        raise RunError(f"a training did not end within {HOURS} hour: {' '.join(command)}") from None
    except BaseException:
        _end(process)
        raise
    finally:
        _at_work.discard(process)
    return process.returncode, "".join(told.splitlines()[-1:])


def _end(process: "subprocess.Popen[str]") -> None:
    """Have a training save what it has, and wait until it has ended."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    process.wait()
