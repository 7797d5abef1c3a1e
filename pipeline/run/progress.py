"""Show the progress of a run on stderr: units, MB/s of source, tokens/s and the time left."""

import contextlib
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TextIO

from tqdm import tqdm

from pipeline.output import CHOSEN, ENCODED, REDIRECTS, REPORTS, numbered, read_report
from pipeline.storage import Place
from wikilm.errors import RunError

POLL_SECONDS = 0.2
REMOTE_POLL_SECONDS = 10.0  # a listing of an object store costs time and money
LOOKS_LEAVE = 20  # times as long as a look took, until the next: a folder may hold many thousand reports
# What a run makes, as the progress calls it: shards, ids to be compared, or shards of what was compared; or words.
SHARDS, IDS, COPIES = "shards", "ids", "shards without copies"
# What it looks into, elsewhere CHOSEN and REPORTS: the folder of a first pass, and that of the reports; None for none.
FOLDERS: dict[str, tuple[str | None, str | None]] = {
    IDS: (CHOSEN, ENCODED), COPIES: (None, REPORTS), REDIRECTS: (REDIRECTS, None),
}  # fmt: skip
LINE_SECONDS = 10.0  # between lines where stderr is no terminal


@dataclass
class Seen:
    """What the files in a work place say: which units were looked through, which are done, and of how many tokens."""

    work: Place
    unit_bytes: Sequence[int]
    label: str = SHARDS
    chosen: set[int] = field(default_factory=set)
    tokens: dict[int, int] = field(default_factory=dict)  # by unit that is done

    def look(self) -> None:
        """Read what is new. What cannot be read now may be the next time."""
        with contextlib.suppress(OSError, RunError):
            looked_through, reports = FOLDERS.get(self.label, (CHOSEN, REPORTS))
            if looked_through is not None:
                self.chosen.update(filter(self._is_ours, numbered(self.work, looked_through)))
            if reports is None:
                return
            for number in filter(self._is_ours, numbered(self.work, reports)):
                if number not in self.tokens and (report := read_report(self.work, number, reports)):
                    self.tokens[number] = report.counts.tokens

    @property
    def units(self) -> int:
        """Passes over units that are done: two for each unit where `take` makes a first one."""
        return len(self.chosen) + len(self.tokens)

    @property
    def bytes(self) -> int:
        """Stored bytes of the source in those units."""
        return sum(self.unit_bytes[number] for numbers in (self.chosen, self.tokens) for number in numbers)

    def _is_ours(self, number: int) -> bool:
        return number < len(self.unit_bytes)


def line(
    units: int, of_units: int, done: int, of_bytes: int, made: int, tokens: int, seconds: float, label: str = SHARDS
) -> str:
    """One line about a run.

    Args:
        units: those that are done.
        of_units: all units.
        done: stored bytes of the source that are done.
        of_bytes: all stored bytes.
        made: bytes of those that this run did, not an interrupted one that it resumes.
        tokens: tokens that this run made.
        seconds: for how long it has run.
        label: what it makes.
    """
    rate = made / seconds if seconds > 0 else 0.0
    left = tqdm.format_interval((of_bytes - done) / rate) if rate > 0 else "?"
    speed = _speed(tokens, seconds, label)
    return f"{label}: {units}/{of_units} units, {rate / 1e6:.2f} MB/s of source{speed}, {left} left"


def _speed(tokens: int, seconds: float, label: str) -> str:
    """Say how many tokens come in a second, of what is made of tokens."""
    if label not in (SHARDS, COPIES):
        return ""
    return f", {tqdm.format_sizeof(tokens / seconds) if seconds > 0 else '0.00'} tokens/s"


class Progress:
    """Watches files rather than the runner, so that it works with every runner: all write to the work place."""

    def __init__(
        self,
        work: Place,
        unit_bytes: Sequence[int],
        passes: int = 1,
        stream: TextIO | None = None,
        label: str = SHARDS,
    ) -> None:
        """Take note of what to watch.

        Args:
            work: where reports of units appear.
            unit_bytes: stored bytes of each unit.
            passes: how often units are gone through: twice with `take`.
            stream: where to show it; stderr by default.
            label: what the run makes.
        """
        self._label = label
        self._seen = Seen(work, unit_bytes, label)
        self._units, self._bytes = len(unit_bytes) * passes, sum(unit_bytes) * passes
        self._poll = POLL_SECONDS if work.is_local else REMOTE_POLL_SECONDS
        self._stream = stream or sys.stderr
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._bar: Any = None

    def __enter__(self) -> Self:
        self._seen.look()
        self._first_bytes, self._first_tokens = self._seen.bytes, sum(self._seen.tokens.values())
        self._began = self._said = time.monotonic()
        if self._stream.isatty():
            self._bar = tqdm(
                total=self._bytes,
                initial=self._first_bytes,
                desc=self._label,
                unit="B",
                unit_scale=True,
                file=self._stream,
                dynamic_ncols=True,
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
        took = 0.0
        while not self._stop.wait(max(self._poll, took * LOOKS_LEAVE)):
            began = time.monotonic()
            self._show()
            took = time.monotonic() - began

    def _show(self) -> None:
        now = time.monotonic()
        if self._bar is None and now - self._said < LINE_SECONDS:
            return
        self._seen.look()
        seen, seconds = self._seen, now - self._began
        tokens = sum(seen.tokens.values()) - self._first_tokens
        if self._bar is None:
            self._said = now
            made = seen.bytes - self._first_bytes
            text = line(seen.units, self._units, seen.bytes, self._bytes, made, tokens, seconds, self._label)
            print(text, file=self._stream, flush=True)
        else:
            speed = _speed(tokens, seconds, self._label)
            self._bar.set_postfix_str(f"{seen.units}/{self._units} units{speed}", refresh=False)
            self._bar.update(seen.bytes - self._bar.n)
