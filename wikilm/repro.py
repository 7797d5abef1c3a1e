"""Run the stages of dvc.yaml whose inputs have changed; those that do not need each other run side by side.

Examples:
  python -m wikilm.repro           all stages, in the order of the data
  python -m wikilm.repro --jobs 1  one after the other, as `dvc repro` does

`dvc repro` does the same, one stage at a time. On two cores, two trainings side by side with a thread each take less
time than one after the other with two threads. Give the same command again to resume an interrupted run.

Exit status: 0 done, 1 a stage failed, 2 wrong usage, 130 interrupted.
"""

import argparse
import contextlib
import fcntl
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Any

from wikilm.cli import Parser, program, run
from wikilm.errors import RunError, UsageError
from wikilm.params import DEFAULT_PARAMS, section
from wikilm.presets import describe
from wikilm.sections import SECTIONS, settings_of

PROGRAM = "python -m wikilm.repro"
PAGE = Path("report/index.html")
SECONDS_TO_SAVE = 60  # of the processes of a stage that was asked to end
MACHINE_INDEPENDENT = ("tokenizer", "shards")  # stages whose outputs are the same bytes on every machine


def arguments() -> Parser:
    """The command line of `wikilm repro`."""
    parser = Parser(prog=program(PROGRAM), description=__doc__)
    parser.add_argument(
        "--jobs",
        type=_positive,
        metavar="N",
        default=cores(),
        help="stages that may run at a time (default: the cores)",
    )
    # What a run of several starts for each; by hand, `dvc repro --single-item NAME` is the same.
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run what has changed, and say where the page is.

    Raises:
        UsageError: there is no dvc.yaml here.
        RunError: a stage failed, after it has said why.
    """
    args = arguments().parse_args(argv)
    for path in ("dvc.yaml", ".dvc", "params.yaml"):
        if not Path(path).exists():
            way_out = (
                "`wikilm preset laptop` makes one" if path == "params.yaml" else "run this at the top of a checkout"
            )
            raise UsageError(f"{path}: no such file or folder; {way_out}")
    if args.stage:
        reproduce_one(args.stage)
        return
    for name in SECTIONS:  # a mistake in the last stage's parameters is better told before the first stage
        section(DEFAULT_PARAMS, name, settings_of(name))
    if told := describe():
        print(told, file=sys.stderr)
    with _alone():
        run_changed(args.jobs)
    if note := lock_note():
        print(note, file=sys.stderr)
    print(f"Open {PAGE}", file=sys.stderr)


def run_changed(jobs: int) -> None:
    """Run the stages that have changed, in the order of the data, at most `jobs` at a time.

    Raises:
        RunError: a stage failed, after it has said why.
    """
    ran = False
    for names in generations():
        changed = [name for name in names if is_changed(name)]
        for start in range(0, len(changed), jobs):
            ran = True
            reproduce(changed[start : start + jobs])
    if not ran:
        print("Nothing has changed since the last run.", file=sys.stderr)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Refuse to run beside another run in this folder: both would write the same outputs.

    Raises:
        RunError: there is one.
    """
    path = Path(".dvc/tmp/wikilm-repro.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            who = file.read().strip() or "unknown"
            raise RunError(f"another wikilm repro is running here (process {who}): wait for it, or stop it") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def generations() -> list[list[str]]:
    """The stages of dvc.yaml in sets: each needs only outputs of the sets before it.

    Raises:
        RunError: DVC cannot read dvc.yaml, params.yaml or dvc.lock.
    """
    import networkx

    with _repository() as repo:
        graph = networkx.relabel_nodes(repo.index.graph, lambda stage: str(stage.addressing))
        return [sorted(names) for names in networkx.topological_generations(graph.reverse())]


def is_changed(name: str) -> bool:
    """Whether a stage would run: its command, code, data, params or outputs are not those of dvc.lock.

    Raises:
        RunError: DVC cannot read what it compares.
    """
    with _repository() as repo:
        return bool(repo.status(targets=[name], with_deps=False))


def reproduce_one(name: str) -> None:
    """Run one stage through DVC, or take its outputs from DVC's cache.

    DVC reads the parameters for dvc.lock when a stage has ended. Where they were changed while it ran, it runs again:
    dvc.lock would name other parameters than those that its outputs were made with.

    Raises:
        RunError: it failed.
    """
    with _repository() as repo:
        before = _params(repo, name)
        repo.reproduce([name], single_item=True)
    with _repository() as repo:
        if _params(repo, name) != before:
            print(f"{name}: its parameters were changed while it ran, so it runs again", file=sys.stderr)
            repo.reproduce([name], single_item=True, force=True)


def _params(repo: Any, name: str) -> list[Any]:
    """The values of the parameters that a stage of dvc.yaml declares."""
    from dvc.dependency import ParamsDependency

    [stage] = repo.stage.collect(name)
    return [dep.read_params() for dep in stage.deps if isinstance(dep, ParamsDependency)]


@contextlib.contextmanager
def _repository() -> Iterator[Any]:
    """The DVC repository here, and DVC's complaints as ours."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.stage.exceptions import StageCmdFailedError

    logging.getLogger("dvc").setLevel(logging.WARNING)  # stages say themselves which they are
    try:
        with Repo(_wait_for_lock=True) as repo:
            yield repo
    except DvcException as error:
        if isinstance(error.__cause__, StageCmdFailedError):
            raise SystemExit(1) from error  # the stage's command has said why
        causes = [str(error), *([str(error.__cause__)] if error.__cause__ else [])]
        raise RunError(f"dvc: {'; '.join(causes)}") from error


def reproduce(names: Sequence[str]) -> None:
    """Let DVC run these stages, all at a time, each with its share of the cores.

    What a stage says while it works is passed on at once, its answer when it has ended.

    Raises:
        RunError: one of them failed; the others were let to finish.
    """
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, cores() // len(names)))
    running = []
    for name in names:
        command = [sys.executable, "-m", "wikilm.repro", "--stage", name]
        process = subprocess.Popen(
            command,
            env=os.environ | {"OMP_NUM_THREADS": threads, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            # A stage alone keeps the terminal for its progress bar; several would draw over each other.
            stderr=subprocess.PIPE if len(names) > 1 else None,
            process_group=0,  # so that a signal reaches all that the stage has started
        )
        running.append((name, process, _Answer(process.stdout), process.stderr and _Relay(process.stderr, name)))
    failed = []
    before = {number: signal.signal(number, _stop) for number in (signal.SIGTERM, signal.SIGHUP)}
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
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if failed:
        raise RunError(f"{', '.join(failed)}: failed for the reason above; give the same command again to resume")


class Stopped(RunError):
    """A signal asked the run to end. Exit status: 128 + its number, as in shells."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}; give the same command again to resume")
        self.number, self.exit_status = number, 128 + number


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)


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
        """What was written, but for the JSON object that a command ends with, which is for programs."""
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
    """Lines that end in a line feed or, as a progress bar's do, in a carriage return; empty ones are left out."""
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


def lock_note() -> str | None:
    """What to say where dvc.lock differs from the committed one, or None where it does not."""
    path = Path("dvc.lock")
    shown = subprocess.run(["git", "show", "HEAD:./dvc.lock"], capture_output=True, text=True, check=False)
    if shown.returncode or not path.is_file() or shown.stdout == path.read_text(encoding="utf-8"):
        return None
    before, now = shown.stdout, path.read_text(encoding="utf-8")
    same = inputs(before) == inputs(now)
    if not same or any(outputs(before).get(name) != outputs(now).get(name) for name in MACHINE_INDEPENDENT):
        return "dvc.lock has changed: commit it with the change of the code, the parameters or the source."
    return (
        "dvc.lock has changed, as it does on another machine: a model's last bits depend on the processor. Tokenizer "
        "and shards are those of the committed one. `make check-repro` says how far the figures are from its."
    )


def inputs(lock: str) -> dict[str, Any]:
    """Command, parameters, code and source of each stage of a dvc.lock: what it was made from, less other outputs."""
    from ruamel.yaml import YAML

    stages = YAML(typ="safe", pure=True).load(lock)["stages"]
    made = [out["path"] for stage in stages.values() for out in stage.get("outs", [])]
    return {
        name: (
            stage.get("cmd"),
            stage.get("params"),
            [
                dep
                for dep in stage.get("deps", [])
                if not any(path == dep["path"] or path.startswith(f"{dep['path']}/") for path in made)
            ],
        )
        for name, stage in stages.items()
    }


def outputs(lock: str) -> dict[str, list[tuple[str, str]]]:
    """Path and hash of all that each stage of a dvc.lock has made."""
    from ruamel.yaml import YAML

    stages = YAML(typ="safe", pure=True).load(lock)["stages"]
    return {
        name: [(out["path"], out["md5"]) for out in stage.get("outs", []) if "md5" in out]
        for name, stage in stages.items()
    }


def cores() -> int:
    """How many cores this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(run(main, PROGRAM))
