"""Limit the CPU time that a thread spends on a page."""

import math
import time


class TooSlow(ValueError):
    """Cleaning a page takes more CPU time than it may."""


class Deadline:
    """A limit in seconds of the CPU time of the thread that makes this; what else the machine does does not count."""

    EVERY = 64  # checks for each look at the clock

    def __init__(self, seconds: float = math.inf) -> None:
        self._seconds, self._checks = seconds, 0
        self._start = time.thread_time() if seconds < math.inf else 0.0

    def check(self) -> None:
        """Check that there is time left; it is cheap enough to call for every token.

        Raises:
            TooSlow: there is none.
        """
        self._checks += 1
        if self._seconds < math.inf and self._checks % self.EVERY == 0:
            taken = time.thread_time() - self._start
            if taken > self._seconds:
                raise TooSlow(f"it took {taken:.1f} s of computing and was not done; {self._seconds:g} s are allowed")
