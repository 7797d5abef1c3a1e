"""Be one process of a training: end with those that started it, and say plainly that another one died."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from train.runs import saved_steps
from wikilm.again import but_fresh
from wikilm.cli import as_user_types, ends_after
from wikilm.errors import RunError
from wikilm.starters import Starter, is_launched, starters, watch
from wikilm.terminal import visible

if TYPE_CHECKING:
    from accelerate import Accelerator

    from train.plan import Plan

LIBRARIES = ("gloo", "nccl", "connection closed by peer", "connection reset by peer")  # in what they raise, lower case
SECONDS_TO_SAVE = 30.0  # what torch's launcher gives by default
SECONDS_LESS = 5.0  # so that a process ends before its launcher would end it


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """End at once at Ctrl-C while the block runs, wherever that is: an exception would end up in some library.

    Where a launcher started this process, the same Ctrl-C comes twice: from the terminal, and from the launcher.
    """
    before, ignored = signal.signal(signal.SIGINT, end_at_once), is_launched()
    try:
        yield
        ignored = ignored or ends_after()  # what is done is no failure any more
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else before)


def end_at_once(number: int, frame: FrameType | None = None) -> None:
    """End this process as a signal would, whose handler this is. Nothing half-written has a final name."""
    if os.environ.get("RANK", "0") == "0":
        tell(f"error: interrupted; the same command{but_fresh()} goes on from the last checkpoint, if there is one")
    os._exit(128 + number)


def end_with_starters() -> None:
    """Ask this process to stop, as SIGTERM does, when what started it has ended; end it if it has not in time."""
    watch(starters(), _end)


def _end(starter: Starter) -> None:
    if os.environ.get("RANK", "0") == "0":
        tell(f"{starter.name} (process {starter.pid}), which started this training, has ended: saving and ending")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(seconds_to_save() - SECONDS_LESS)
    tell("no step has ended in this time: ending without saving it")
    os._exit(128 + signal.SIGTERM)


def tell(text: str) -> None:
    """Write a line to stderr, which may have gone with those who read it."""
    with contextlib.suppress(OSError, ValueError):
        print(visible(as_user_types(f"train: {text}")), file=sys.stderr, flush=True)


def seconds_to_save() -> float:
    """Return how long processes that were asked to end may take, by the variable that torch's launcher has for it."""
    try:
        return max(2 * SECONDS_LESS, float(os.environ.get("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", SECONDS_TO_SAVE)))
    except ValueError:
        return SECONDS_TO_SAVE


class ProcessDied(RunError):
    """Another process of the same training is gone. Its last words, if it had any, stand above."""

    def __init__(self, run: Path) -> None:
        step = max(saved_steps(run), default=0)
        super().__init__(f"a process died; the same command{but_fresh()} goes on from step {step}")
        self.is_common = int(os.environ.get("RANK", "0")) > 1  # the first or the second is alive to tell it


def lost_another(error: RuntimeError) -> bool:
    """Return whether this is what torch raises when it cannot reach another process."""
    from torch.distributed import DistError

    return isinstance(error, DistError) or any(library in str(error).lower() for library in LIBRARIES)


@contextlib.contextmanager
def joined(accelerator: "Accelerator", plan: "Plan") -> Iterator[None]:
    """Say plainly, while the block runs, that another process died.

    Raises:
        ProcessDied: in place of what torch raises.
    """
    try:
        yield
    except RuntimeError as error:
        if accelerator.num_processes > 1 and lost_another(error):
            raise ProcessDied(plan.run) from None
        raise
