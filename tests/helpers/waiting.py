"""Wait for a condition to hold: no test guesses how long anything takes."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
MINUTES = 600.0  # what takes longer hangs, also on a machine that is busy with much else


def wait_until(condition: Callable[[], T], told: str = "the condition") -> T:
    """Ask again and again until the answer is true, and return it."""
    end = time.monotonic() + MINUTES
    while not (answer := condition()):
        assert time.monotonic() < end, f"{told} did not come about in {MINUTES:.0f} s"
        time.sleep(0.005)
    return answer


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path("/proc", str(pid), "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
