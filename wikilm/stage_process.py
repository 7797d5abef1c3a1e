"""Run stages of dvc.yaml in processes of their own, side by side, and pass on what they print."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import IO

from wikilm.cores import cores
from wikilm.errors import RunError
from wikilm.starters import REPRO
from wikilm.stopped import Stopped, stopped_by_signals

SECONDS_TO_SAVE = 60  # of the processes of a stage that was asked to end


def reproduce(names: Sequence[str]) -> None:
    """Let DVC run these stages, all at once, each with its share of the cores.

    What a stage writes to stderr is passed on at once, what it writes to stdout when it has ended.

    Raises:
        RunError: one of them failed; the others ran to their end.
    """
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, cores() // len(names)))
    running = []
    for name in names:
        command = [sys.executable, "-m", "wikilm.repro", "--stage", name]
        process = subprocess.Popen(
            command,
            env=os.environ | {"OMP_NUM_THREADS": threads, "PYTHONUNBUFFERED": "1", REPRO: "1"},
            stdout=subprocess.PIPE,
            # A stage alone keeps the terminal for its progress bar; several would draw over each other.
            stderr=subprocess.PIPE if len(names) > 1 else None,
            process_group=0,  # so that a signal reaches all that the stage has started
        )
        running.append((name, process, _Answer(process.stdout), process.stderr and _Relay(process.stderr, name)))
    failed = []
    with stopped_by_signals("resume"):
        try:
            for name, process, answer, relay in running:
                status = process.wait()
                if relay:
                    relay.join()
                answer.join()
                sys.stdout.write(answer.text())
                sys.stdout.flush()
                if status:
                    failed.append(name)
        except (KeyboardInterrupt, Stopped) as stop:
            for _, process, _, _ in running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, stop.number if isinstance(stop, Stopped) else signal.SIGINT)
            for _, process, _, _ in running:
                _await_end(process)
            raise
    if failed:
        raise RunError(f"{', '.join(failed)}: failed for the reason above; give the same command again to resume")


def _await_end(process: "subprocess.Popen[bytes]") -> None:
    """Wait until all processes of a stage have saved what they have and are gone; after a minute, end them."""
    process.wait()
    with contextlib.suppress(ProcessLookupError):
        for _ in range(SECONDS_TO_SAVE * 10):
            os.killpg(process.pid, 0)
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)


class _Answer(threading.Thread):
    """Reads what a stage writes to stdout until it ends."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        super().__init__(daemon=True)
        assert stream is not None
        self._stream, self._lines = stream, list[str]()
        self.start()

    def run(self) -> None:
        self._lines = self._stream.read().decode(errors="replace").splitlines()

    def text(self) -> str:
        """Return what was written, but for the JSON object that a command ends with, which is for programs."""
        return "".join(f"{line}\n" for line in self._lines if not _is_json(line))


class _Relay(threading.Thread):
    """Passes on what a stage writes to stderr, line by line, under its name."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        super().__init__(daemon=True)
        self._stream, self._name = stream, name
        self.start()

    def run(self) -> None:
        for line in _lines(self._stream):
            sys.stderr.write(f"{self._name} | {line}\n")


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """Yield lines that end in a line feed or, as a progress bar's do, in a carriage return; empty ones are left out."""
    rest = b""
    while piece := os.read(stream.fileno(), 65536):
        *whole, rest = re.split(rb"[\r\n]", rest + piece)
        yield from (line.decode(errors="replace").rstrip() for line in whole if line.strip())
    if rest.strip():
        yield rest.decode(errors="replace").rstrip()


def _is_json(line: str) -> bool:
    with contextlib.suppress(ValueError):
        return line.startswith("{") and isinstance(json.loads(line), dict)
    return False
