"""A limit in seconds in, TooSlow out once a thread has computed for longer: for work that asks every now and then."""

import math
import time


class TooSlow(ValueError):
    """A page took longer to clean than it may."""


class Deadline:
    """How long the thread that has made this may compute; its own CPU time counts, whatever else the machine does."""

    EVERY = 64  # asked so many times, the clock is read once

    def __init__(self, seconds: float = math.inf) -> None:
        self._seconds, self._asked = seconds, 0
        self._start = time.thread_time() if seconds < math.inf else 0.0

    def check(self) -> None:
        """Ask whether there is time left.

        Raises:
            TooSlow: there is none.
        """
        self._asked += 1
        if self._seconds < math.inf and self._asked % self.EVERY == 0:
            taken = time.thread_time() - self._start
            if taken > self._seconds:
                raise TooSlow(f"it took {taken:.1f} s of computing and was not done; {self._seconds:g} s are allowed")
