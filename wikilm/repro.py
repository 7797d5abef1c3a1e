"""Run the stages of dvc.yaml whose inputs have changed; those that do not need each other run side by side.

Examples:
  python -m wikilm.repro           all stages, each when those that it needs are done
  python -m wikilm.repro --jobs 1  one after the other, as `dvc repro` does

`dvc repro` does the same, one stage at a time. On two cores, two trainings side by side with a thread each take less
time than one after the other with two threads. Give the same command again to resume an interrupted run.

Exit status: 0 done, 1 a stage failed, 2 wrong usage, 130 interrupted.
"""

import argparse
import contextlib
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from wikilm.cli import Parser, positive, program, run
from wikilm.cores import cores
from wikilm.dvc_lock import lock_note
from wikilm.errors import RunError, UsageError
from wikilm.locks import exclusive
from wikilm.params import DEFAULT_PARAMS, SECTIONS, checked, find_section, read_params, settings_of
from wikilm.presets import describe
from wikilm.stage import stages
from wikilm.stage_process import SECONDS_TO_SAVE, end_with_repro, stages_at_work

PROGRAM = "python -m wikilm.repro"
PAGE = Path("report/index.html")
LOCK = Path(".dvc/tmp/wikilm-repro.lock")  # two runs would write the same outputs
SECONDS_BETWEEN_LOOKS = 0.5


def arguments() -> Parser:
    """Return the command line of `wikilm repro`."""
    parser = Parser(prog=program(PROGRAM), description=__doc__)
    parser.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        default=cores(),
        help="stages that may run at a time (default: the cores)",
    )
    # What a run of several starts for each; by hand, `dvc repro --single-item NAME` is the same.
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stages whose inputs have changed, and say where the page is.

    Raises:
        UsageError: there is no dvc.yaml here, or another run is at work.
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
        end_with_repro()
        reproduce_one(args.stage)
        return
    params = read_params(DEFAULT_PARAMS)
    for name in SECTIONS:  # a mistake in the last stage's parameters is better told before the first stage
        checked(find_section(params, name, DEFAULT_PARAMS), name, settings_of(name), {}, str(DEFAULT_PARAMS))
    if told := describe():
        print(told, file=sys.stderr)
    with exclusive(LOCK, "another wikilm repro is running here", "wait for it, or stop it"):
        run_changed(args.jobs)
    if note := lock_note():
        print(note, file=sys.stderr)
    print(f"Open {PAGE}", file=sys.stderr)


def run_changed(jobs: int) -> None:
    """Run the stages that have changed, each when the stages that it needs are done, at most `jobs` at a time.

    Of those that may begin, the first of dvc.yaml does. Stages that may begin together share the cores.

    Raises:
        RunError: a stage failed, after it has said why, and the others that were at work ran to their end; or DVC
            cannot read what it compares, which ends the stages at work.
    """
    needs = needed_stages()
    waiting, done = list(needs), set[str]()
    ready: dict[str, int] = {}  # with the threads of each
    failed: list[str] = []
    ran = False
    with stages_at_work() as at_work:
        while True:
            while not failed and (freed := [name for name in waiting if needs[name] <= done]):
                waiting = [name for name in waiting if name not in freed]
                changed = changed_stages(freed)
                done |= set(freed) - set(changed)
                together = len(at_work) + len(ready) + len(changed)
                ready |= dict.fromkeys(changed, max(1, cores() // max(1, min(jobs, together))))
            while ready and not failed and len(at_work) < jobs:
                name = min(ready, key=list(needs).index)
                threads = ready.pop(name)
                at_work.start(name, threads, alone=jobs == 1 or not (ready or len(at_work)))
                ran = True
            if not len(at_work):
                break
            name, succeeded = at_work.wait()
            (done.add if succeeded else failed.append)(name)
    if failed:
        names = ", ".join(sorted(failed, key=list(needs).index))
        raise RunError(f"{names}: failed for the reason above; give the same command again to resume")
    if not ran:
        print("Nothing has changed since the last run.", file=sys.stderr)


def needed_stages() -> dict[str, set[str]]:
    """Return the stages of dvc.yaml in its order, with the stages that each needs the outputs of.

    Raises:
        RunError: DVC cannot read dvc.yaml, params.yaml or dvc.lock.
    """
    with _repository() as repo, _read_whole(repo):
        graph = repo.index.graph
        needs = {str(stage.addressing): {str(need.addressing) for need in graph.successors(stage)} for stage in graph}
    order = {name: number for number, (name, _) in enumerate(stages(Path("dvc.yaml")))}
    return {name: needs[name] for name in sorted(needs, key=lambda name: (order.get(name, len(order)), name))}


def changed_stages(names: Sequence[str]) -> list[str]:
    """Return the stages that would run: their command, code, data, params or outputs are not those of dvc.lock.

    Raises:
        RunError: DVC cannot read what it compares.
    """
    with _repository() as repo:
        return [name for name in names if _is_changed(repo, name)]


def _is_changed(repo: Any, name: str) -> bool:
    """Ask DVC, which answers when no stage of a killed run is at work any more: it saves what it has, and ends."""
    from dvc.lock import LockError

    told, until = False, time.monotonic() + SECONDS_TO_SAVE
    while True:
        try:
            return bool(repo.status(targets=[name], with_deps=False))
        except LockError:
            if time.monotonic() > until:
                raise
        if not told:
            print(f"{name}: still at work for another run; waiting for it to end", file=sys.stderr)
            told = True
        time.sleep(SECONDS_BETWEEN_LOOKS)


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
    """Return the values of the parameters that a stage of dvc.yaml declares."""
    from dvc.dependency import ParamsDependency

    with _read_whole(repo):
        [stage] = repo.stage.collect(name)
        return [dep.read_params() for dep in stage.deps if isinstance(dep, ParamsDependency)]


def _read_whole(repo: Any) -> contextlib.AbstractContextManager[None]:
    """Hold DVC's lock while the block runs: DVC writes dvc.lock in place, for another stage maybe just now."""
    from dvc.repo import lock_repo

    lock: contextlib.AbstractContextManager[None] = lock_repo(repo)
    return lock


@contextlib.contextmanager
def _repository() -> Iterator[Any]:
    """Open the DVC repository here; DVC's errors become ours."""
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


if __name__ == "__main__":
    sys.exit(run(main, PROGRAM))
