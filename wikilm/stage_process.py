"""Run stages of dvc.yaml in processes of their own, side by side, and pass on what they print."""

import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from wikilm.starters import REPRO, starters, watch
from wikilm.stopped import Stopped, stopped_by_signals

SECONDS_TO_SAVE = 60  # of the processes of a stage that was asked to end


@contextlib.contextmanager
def stages_at_work() -> Iterator["StagesAtWork"]:
    """Run stages of DVC; what makes the block end early ends those that are still at work."""
    stages = StagesAtWork()
    with stopped_by_signals("resume"):
        try:
            yield stages
        except BaseException as stop:
            stages.end(stop.number if isinstance(stop, Stopped) else signal.SIGINT)
            raise


def end_with_repro() -> None:
    """Have this stage, when the `wikilm repro` that started it has ended, ask the command that it runs to end.

    DVC stays until the command has saved what it has: it holds the outputs, which the next run waits for.
    """
    if os.getpgrp() != os.getpid():  # started by hand
        return
    signal.signal(signal.SIGTERM, lambda *_: None)  # unlike SIG_IGN, what is started does not inherit this
    watch(starters(), lambda _: os.killpg(os.getpgrp(), signal.SIGTERM))


class StagesAtWork:
    """Stages that DVC runs, each in a process of its own."""

    def __init__(self) -> None:
        self._stages: dict[str, _Stage] = {}
        self._ended: queue.SimpleQueue[str] = queue.SimpleQueue()

    def __len__(self) -> int:
        return len(self._stages)

    def start(self, name: str, threads: int, *, alone: bool) -> None:
        """Let DVC run a stage with this many threads.

        What it writes to stderr is passed on at once, what it writes to stdout when it has ended. `alone` leaves the
        terminal to its progress bar; several would draw over each other.
        """
        asked = os.environ.get("OMP_NUM_THREADS")
        own = {"OMP_NUM_THREADS": asked or str(threads), "PYTHONUNBUFFERED": "1", REPRO: "1"}
        process = subprocess.Popen(
            [sys.executable, "-m", "wikilm.repro", "--stage", name],
            env=os.environ | own,
            stdout=subprocess.PIPE,
            stderr=None if alone else subprocess.PIPE,
            process_group=0,  # so that a signal reaches all that the stage has started
        )
        relay = _Relay(process.stderr, name) if process.stderr else None
        self._stages[name] = _Stage(process, _Answer(process.stdout), relay)

        def tell() -> None:
            process.wait()
            self._ended.put(name)

        threading.Thread(target=tell, daemon=True).start()

    def wait(self) -> tuple[str, bool]:
        """Wait until one of the stages has ended, and show its answer; return its name, and whether it succeeded."""
        name = self._ended.get()
        stage = self._stages[name]
        if stage.relay:
            stage.relay.join()
        stage.answer.join()
        sys.stdout.write(stage.answer.text())
        sys.stdout.flush()
        del self._stages[name]  # not before: what a stage has started may outlive it, and ends with the others
        return name, stage.process.returncode == 0

    def end(self, number: int) -> None:
        """Send a signal to all stages, and wait until they have saved what they have."""
        for stage in self._stages.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(stage.process.pid, number)
        for stage in self._stages.values():
            _await_end(stage.process)


@dataclass(frozen=True)
class _Stage:
    process: "subprocess.Popen[bytes]"
    answer: "_Answer"
    relay: "_Relay | None"


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
