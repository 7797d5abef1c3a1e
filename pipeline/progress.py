"""A work folder that workers fill in, a progress bar on stderr out: units done, MB/s of source, time left."""

import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, TextIO

from tqdm import tqdm

POLL_SECONDS = 0.2
LINE_SECONDS = 10.0  # between lines where stderr is no terminal


def watched(folders: Sequence[Path], unit_bytes: Sequence[int]) -> tuple[int, int]:
    """Units and source bytes that are done: each folder holds one `<number>.json` for every unit that is."""
    numbers = [int(path.stem) for folder in folders for path in folder.glob("[0-9]*.json")]
    return len(numbers), sum(unit_bytes[number] for number in numbers if number < len(unit_bytes))


def line(units: int, of_units: int, done: int, of_bytes: int, seconds: float) -> str:
    """One line about a run: units done, MB/s of source, time left."""
    rate = done / seconds if seconds > 0 else 0.0
    left = tqdm.format_interval((of_bytes - done) / rate) if rate > 0 else "?"
    return f"shards: {units}/{of_units} units, {rate / 1e6:.2f} MB/s of source, {left} left"


class Progress:
    """Watches files rather than the runner, so that it works with every runner that shares the work folder."""

    def __init__(self, folders: Sequence[Path], unit_bytes: Sequence[int], stream: TextIO | None = None) -> None:
        """Take note of what to watch.

        Args:
            folders: where files for units appear; more than one where units are gone through more than once.
            unit_bytes: stored bytes of each unit.
            stream: where to show it; stderr by default.
        """
        self._folders, self._unit_bytes = folders, unit_bytes
        self._units, self._bytes = len(unit_bytes) * len(folders), sum(unit_bytes) * len(folders)
        self._stream = stream or sys.stderr
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._bar: Any = None

    def __enter__(self) -> Self:
        self._began = self._told = time.monotonic()
        if self._stream.isatty():
            self._bar = tqdm(
                total=self._bytes, desc="shards", unit="B", unit_scale=True, file=self._stream, dynamic_ncols=True
            )
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        self._show()
        if self._bar is not None:
            self._bar.close()

    def _watch(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            self._show()

    def _show(self) -> None:
        now = time.monotonic()
        if self._bar is None and now - self._told < LINE_SECONDS:
            return
        units, done = watched(self._folders, self._unit_bytes)
        if self._bar is None:
            self._told = now
            print(line(units, self._units, done, self._bytes, now - self._began), file=self._stream, flush=True)
        else:
            self._bar.set_postfix_str(f"{units}/{self._units} units", refresh=False)
            self._bar.update(done - self._bar.n)
