"""Turn signals that ask a process to end into an error, so that what it has begun is cleaned up."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from wikilm.again import but_fresh
from wikilm.errors import RunError

SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Stopped(RunError):
    """A signal asked the run to end. Exit status: 128 + its number, as in shells."""

    def __init__(self, number: int, then: str) -> None:
        name = signal.Signals(number).name
        super().__init__(f"stopped by {name}; give the same command again{but_fresh()} to {then}")
        self.number, self.exit_status = number, 128 + number


@contextmanager
def stopped_by_signals(then: str) -> Iterator[None]:
    """Raise Stopped out of the block when SIGTERM or SIGHUP comes, whatever the code inside makes of its interruption.

    Further signals are ignored while the block cleans up. One that was ignored before (nohup) still is. Outside of the
    main thread, which alone is told of signals, nothing changes.

    Args:
        then: what the same command does when it is given again, such as "resume".
    """
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if not came:
            came.append(number)
            raise Stopped(number, then)

    is_main = threading.current_thread() is threading.main_thread()
    ours = [number for number in SIGNALS if is_main and signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in ours}
    try:
        yield
    except BaseException:
        if came:
            raise Stopped(came[0], then) from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
