"""Run services, each with a log file, and leave none of them when the caller is done or killed."""

import ctypes
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from wikilm.errors import RunError

STOP_SECONDS = 10.0  # what a service gets to end by itself before it is killed
SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl(2)


@dataclass(frozen=True)
class Service:
    """A program that runs until it is stopped; it leads a process group of its own, which its workers share."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Do nothing while it runs.

        Raises:
            RunError: it has ended; the error holds its log's last telling line.
        """
        if self.process.poll() is not None:
            raise RunError(f"the {self.name} ended with status {self.process.returncode}{_last_error(self.log)}")

    def kill(self) -> None:
        """End it and all that it started, at once."""
        _signal(self.process, signal.SIGKILL)
        self.process.wait()


class Services:
    """Services that are stopped together, the last one first, when the `with` block ends, however it ends."""

    def __init__(self, logs: Path) -> None:
        """Keep a log file for each service in the folder `logs`."""
        self.logs = logs
        self._running: list[Service] = []

    def __enter__(self) -> Self:
        """Nothing is started yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all; a second Ctrl-C does not keep them from being stopped."""
        with _deaf_to(signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            for service in reversed(self._running):
                _signal(service.process, signal.SIGTERM, group=False)
            end = time.monotonic() + STOP_SECONDS
            for service in self._running:
                try:
                    service.process.wait(max(0.1, end - time.monotonic()))
                except subprocess.TimeoutExpired:
                    pass
                finally:
                    service.kill()

    def start(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str], folder: Path) -> Service:
        """Start a service in `folder`; it is told to die should this process be killed."""
        log = self.logs / f"{name.replace(' ', '-')}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=folder,
                start_new_session=True,  # a Ctrl-C in the terminal is for us, who then stop the services in order
                preexec_fn=die_with_parent,
            )
        service = Service(name, process, log)
        self._running.append(service)
        return service

    def end(self, service: Service) -> None:
        """Kill one service now, as a host that is lost would."""
        service.kill()
        self._running.remove(service)

    def check(self) -> None:
        """Raise RunError if a service has ended by itself."""
        for service in self._running:
            service.check()

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait until `ready()`.

        Raises:
            RunError: a service ended, or `seconds` have passed.
        """
        end = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > end:
                raise RunError(f"{what} was not there after {seconds:.0f} s; is the machine overloaded?")
            time.sleep(0.1)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody uses now, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _last_error(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if re.match(r"(Caused by: )?[\w.$]+(Exception|Error)\b", line)] or lines
    return f": {telling[-1][:300]} ({log})" if telling else f" ({log})"


def _signal(process: "subprocess.Popen[bytes]", number: int, *, group: bool = True) -> None:
    try:
        if group:
            os.killpg(process.pid, number)
        elif process.poll() is None:
            process.send_signal(number)
    except ProcessLookupError:
        pass


def die_with_parent() -> None:
    """In a new process, before its program starts: end when the parent does, even if it is killed."""
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


class _deaf_to:
    """Ignore signals for a while."""

    def __init__(self, *signals: signal.Signals) -> None:
        self._signals = signals

    def __enter__(self) -> None:
        self._before = {number: signal.signal(number, signal.SIG_IGN) for number in self._signals}

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
