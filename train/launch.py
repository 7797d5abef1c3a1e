"""Start a training with the flags and files of `accelerate launch`, and end all of it when one of them has to end.

Examples:
  python -m train.launch --config_file launch/cpu.yaml -m train --objective causal ...
  python -m train.launch --config_file launch/multi-gpu.yaml --num_processes 8 -m train --objective masked ...

It does what `accelerate launch` does, and more: SIGTERM and Ctrl-C reach every process, whose exit status becomes its
own, and it waits until they have saved a checkpoint. A second Ctrl-C ends them at once.

Exit status: 0 done, 1 the run failed, 2 wrong usage, 143 or 130 stopped by SIGTERM or Ctrl-C.
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from train.hosts.meeting import meet_on_the_loopback
from train.hosts.processes import end_with_starters, seconds_to_save
from wikilm.again import but_fresh
from wikilm.cli import Parser, program, run
from wikilm.errors import RunError, UsageError
from wikilm.stage import TOLD

PROGRAM = "python -m train.launch"
SECONDS_TO_START = 1.0  # from the notice that a process is started until there is one to send a signal to
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopped(RunError):
    """The processes were ended before they had ended themselves. Exit status: 128 + the first signal's number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended at once; the same command{but_fresh()} goes on from the last checkpoint")
        self.exit_status = 128 + number


class PassOn:
    """Hands signals on to the processes of the training, and waits for them: they decide when to end."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.begun = False  # whether a process was started, which may have ended
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Notice that a process is started, which the launchers of accelerate and torch do by `subprocess`."""
        if event == "subprocess.Popen" and isinstance(arguments[1], list | tuple) and sys.executable in arguments[1]:
            self.begun = True

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Pass a signal on; end at once where nothing has been started yet."""
        again, self.first = self.first is not None, self.first or number
        started = children()
        if not started and not self.begun:
            os._exit(128 + number)
        if again and number == signal.SIGINT:
            end_all()
        elif not again:
            timer = threading.Timer(seconds_to_save(), end_all)
            timer.daemon = True
            timer.start()
        send_all(number)
        if not started:  # all have ended, or the first is about to be there
            timer = threading.Timer(SECONDS_TO_START, send_all, (number,))
            timer.daemon = True
            timer.start()


def arguments() -> Parser:
    """Return the command line, but for what accelerate takes."""
    return Parser(
        prog=program(PROGRAM),
        usage="%(prog)s [flags of accelerate launch] -m train [flags of train]",
        description=__doc__,
    )


def children() -> list[int]:
    """Return the processes that this one has started and that it has not heard the end of."""
    found = (path.read_text() for path in Path("/proc/self/task").glob("*/children"))
    return [int(pid) for pids in found for pid in pids.split()]


def end_all() -> None:
    """End the processes without asking; their checkpoints are whole at any moment."""
    send_all(signal.SIGKILL)


def send_all(number: int) -> None:
    """Send a signal to the processes of the training, any of which may have ended."""
    for pid in children():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command.

    Raises:
        UsageError: flags or a configuration that accelerate does not take.
        RunError: a process was killed.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    end = given.index("-m") if "-m" in given else len(given)
    arguments().parse_known_args(given[:end])
    pass_on = PassOn()
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, pass_on)
    end_with_starters()
    os.environ[TOLD] = "1"
    try:
        status = launch(given)
    except RunError as error:
        if pass_on.first is None:
            raise
        raise Stopped(pass_on.first) from error
    if status:
        raise SystemExit(status if pass_on.first is None else 128 + pass_on.first)


def launch(given: Sequence[str]) -> int:
    """Start the processes, wait for them, and return the exit status of the one that ended first.

    Raises:
        UsageError: flags or a configuration that accelerate does not take.
        RunError: one was killed.
    """
    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    parser: Any = launch_command_parser()
    parser.error = arguments().error
    args = parser.parse_args(given)
    args.quiet = False  # it would hide the exit status
    args.signals_to_handle = "SIGUSR2"  # torch's launcher ends by raising at each of these; at ours it has to wait
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    meet_on_the_loopback()
    try:
        launch_command(args)
    except subprocess.CalledProcessError as error:
        return _status(error.returncode, "the process")
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        return _status(failure.exitcode, f"process {rank}")
    except (ValueError, OSError, TypeError) as error:
        raise UsageError(f"accelerate: {error}") from None
    return 0


def _status(code: int, which: str) -> int:
    """Return a process's exit status, where it has one.

    Raises:
        RunError: a signal ended it.
    """
    if code >= 0:
        return code
    raise RunError(
        f"{which} was ended by {signal.Signals(-code).name}; the same command{but_fresh()} goes on from the last "
        f"checkpoint"
    )


if __name__ == "__main__":
    sys.exit(run(main, PROGRAM))
