"""Show a run's progress as a bar on stderr, and turn SIGTERM and Ctrl-C into a request to stop."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tqdm import tqdm

from train.curves import Point
from wikilm.errors import RunError

QUIET_SECONDS = 10.0  # between two lines of the bar where stderr is a file


class Stopped(RunError):
    """A signal asked the run to end; what was reached is saved. Exit status: 128 + its number, as in shells."""

    def __init__(self, number: int, step: int) -> None:
        super().__init__(
            f"stopped by {signal.Signals(number).name}, saved at step {step}; give the same command again to resume"
        )
        self.exit_status = 128 + number


class Console:
    """A progress bar, and lines above it."""

    def __init__(self, *, first: int, last: int, shown: bool) -> None:
        interval = 0.1 if sys.stderr.isatty() else QUIET_SECONDS
        self._bar = tqdm(
            initial=first, total=last, unit="step", file=sys.stderr, disable=not shown, mininterval=interval
        )
        self._shown = shown
        self._figures: dict[str, str] = {}
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds since the console was made."""
        return time.perf_counter() - self._start

    def advance(self, point: Point) -> None:
        """Advance the bar by one step; `point` is what the step adds to the curves, empty for most steps."""
        for name, label, form in (
            ("loss", "loss", "{:.3f}"),
            ("validation_loss", "validation", "{:.3f}"),
            ("tokens_per_second", "tokens/s", "{:,.0f}"),
        ):
            if name in point:
                self._figures[label] = form.format(point[name])
        if point:
            self._bar.set_postfix_str(
                ", ".join(f"{label} {value}" for label, value in self._figures.items()), refresh=False
            )
        self._bar.update()

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        if self._shown:
            tqdm.write(text, file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.close()


class StopSignal:
    """The first SIGTERM or Ctrl-C is remembered; a second Ctrl-C interrupts at once."""

    def __init__(self) -> None:
        self.number: int | None = None

    @contextmanager
    def caught(self) -> Iterator["StopSignal"]:
        """Catch the signals while the block runs."""
        before = {number: signal.signal(number, self._remember) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.number = number
