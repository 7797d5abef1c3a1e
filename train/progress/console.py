"""Show a run's progress as a bar on stderr."""

import contextlib
import sys
import time
from typing import Any, TextIO

from tqdm import tqdm

from train.progress.curves import Point

QUIET_SECONDS = 10.0  # between two lines of the bar where stderr is a file


class Console:
    """A progress bar, and lines above it."""

    def __init__(self, *, first: int, last: int, shown: bool) -> None:
        interval = 0.1 if sys.stderr.isatty() else QUIET_SECONDS
        self._file: Any = _Lasting(sys.stderr)
        self._bar = tqdm(
            initial=first, total=last, unit="step", file=self._file, disable=not shown, mininterval=interval
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
            ("model_flops_utilization", "MFU", "{:.1%}"),
            ("data_wait_fraction", "data wait", "{:.1%}"),
            ("memory_bytes", "memory", "{:.2f} GB"),
        ):
            if name in point:
                value = point[name] / 1e9 if name == "memory_bytes" else point[name]
                self._figures[label] = form.format(value)
        if point:
            self._bar.set_postfix_str(
                ", ".join(f"{label} {value}" for label, value in self._figures.items()), refresh=False
            )
        self._bar.update()

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        if self._shown:
            tqdm.write(text, file=self._file)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.close()


class _Lasting:
    """A stream whose reader may go, as when a terminal is closed: then its text is lost, and the run goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()
