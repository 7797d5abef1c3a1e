"""Find the processes that started this one for a job, and hear of the end of one of them.

Some programs start a command and do not pass on what ends themselves: `accelerate launch` of one process, or DVC. What
they started would go on without them.
"""

import os
import select
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from wikilm.stage import DVC_STAGE

REPRO = "WIKILM_REPRO"  # set by `wikilm repro` for the stages that it starts
PROOF = "WIKILM_PROOF"  # set by `wikilm prove-resume` for the trainings that it starts
LAUNCHED = ("ACCELERATE_MIXED_PRECISION", "TORCHELASTIC_RUN_ID")  # set by `accelerate launch`, and by torchrun
MARKS = (DVC_STAGE, REPRO, PROOF, *LAUNCHED)
SECONDS_BETWEEN_LOOKS = 1.0  # only where the kernel does not tell of the end of a process


class Starter(NamedTuple):
    """A process that waits for the end of this one."""

    pid: int
    name: str


def starters(processes: Path = Path("/proc")) -> list[Starter]:
    """Return those that started this process for a job, the nearest first; none where a person did.

    Whoever starts a process for a job leaves a mark in its environment, which all processes in between have as well: so
    they are this process's ancestors up to the first that has no such mark itself.
    """
    found: list[Starter] = []
    marks, pid = {mark for mark in MARKS if mark in os.environ}, os.getppid()
    while marks and pid > 1:
        try:
            environment = (processes / str(pid) / "environ").read_bytes().split(b"\0")
            name, _, rest = (processes / str(pid) / "stat").read_text().partition("(")[2].rpartition(")")
        except OSError:  # of another user, or no Linux
            break
        found.append(Starter(pid, name))
        marks &= {os.fsdecode(entry.partition(b"=")[0]) for entry in environment}
        pid = int(rest.split()[1])
    if not found and is_launched():
        found = [Starter(os.getppid(), "its launcher")]
    return found


def is_launched() -> bool:
    """Return whether a launcher has started this process as one of those of a training."""
    return any(mark in os.environ for mark in LAUNCHED)


def watch(watched: Sequence[Starter], on_end: Callable[[Starter], None]) -> None:
    """Call `on_end`, from a thread of its own, when the first of these has ended."""
    if watched:
        threading.Thread(target=lambda: on_end(_first_ended(watched)), daemon=True, name="starters").start()


def _first_ended(watched: Sequence[Starter]) -> Starter:
    """Wait until one of these has ended."""
    poll, by_descriptor = select.poll(), dict[int, Starter]()
    try:
        for starter in watched:
            descriptor = os.pidfd_open(starter.pid)
            by_descriptor[descriptor] = starter
            poll.register(descriptor, select.POLLIN)
        return by_descriptor[poll.poll()[0][0]]
    except ProcessLookupError:
        return starter
    except (AttributeError, OSError):  # no Linux, or a sandbox without this call
        while os.getppid() == watched[0].pid:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        return watched[0]
    finally:
        for descriptor in by_descriptor:
            os.close(descriptor)
