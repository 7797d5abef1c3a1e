"""Turn SIGTERM and Ctrl-C into a request to stop."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from train.hosts.processes import end_at_once
from wikilm.again import but_fresh
from wikilm.cli import ends_after
from wikilm.errors import RunError


class Stopped(RunError):
    """A signal asked the run to end; what was reached is saved. Exit status: 128 + its number, as in shells."""

    is_common = True  # processes agree on it

    def __init__(self, number: int, step: int) -> None:
        super().__init__(
            f"stopped by {signal.Signals(number).name}, saved at step {step}; give the same command again{but_fresh()} "
            f"to resume"
        )
        self.exit_status = 128 + number


class StopSignal:
    """The first signal that asks to end is remembered; a second Ctrl-C ends the process at once.

    Not so where a launcher started this process: it passes on the Ctrl-C that a terminal has sent to all of them, and
    knows which is the second.
    """

    def __init__(self, *, launched: bool = False) -> None:
        self.number: int | None = None
        self._launched = launched

    @contextmanager
    def caught(self) -> Iterator["StopSignal"]:
        """Catch the signals while the block runs. If it ends well, a process that ends after it ignores them."""
        asking = [signal.SIGTERM, signal.SIGINT]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup sets it
            asking.append(signal.SIGHUP)
        before = {number: signal.signal(number, self._remember) for number in asking}
        try:
            yield self
            if ends_after():
                before = dict.fromkeys(asking, signal.SIG_IGN)
        except BaseException:
            if self._launched:  # its launcher asks the others to end as soon as one has, and this one has to say why
                before = dict.fromkeys(asking, signal.SIG_IGN)
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None and number == signal.SIGINT and not self._launched:
            end_at_once(number)
        self.number = self.number or number
