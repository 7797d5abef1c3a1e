"""Know the runs whose checkpoints lie in a folder: which settings each has, which was abandoned, and which can go on.

RUNS/<fingerprint>/run.json       what decides the numbers of the run, and for which output it is
RUNS/<fingerprint>/step-00000250  its checkpoints (see checkpoint.py)

Examples:
  python -m train.runs runs/causal                         list them, with their sizes
  python -m train.runs runs/causal --remove 0a1b2c3d4e5f   remove one, or several
"""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from wikilm.cli import Parser, program, run
from wikilm.errors import UsageError
from wikilm.files import remove_folder, write_atomically
from wikilm.locks import beside, exclusive
from wikilm.terminal import visible

PROGRAM = "python -m train.runs"
RECORD = "run.json"
OTHER_OUTPUT = "wait for it, or name another --output"
EndedBy = Literal["planned_steps", "early_stopping", "max_steps"]
PREFIX = "step-"  # of a checkpoint's name; the step stands after it


@dataclass(frozen=True)
class Record:
    """What a run says of itself in run.json."""

    output: str
    identity: Mapping[str, Any]  # what decides its numbers (see `train.plan.recipe`)
    epochs: int
    planned_steps: int
    finished: bool = False
    ended_by: EndedBy | None = None  # of a finished run
    continues: Sequence[int] = field(default=())  # steps at which shorter runs had ended that this one went on from


@dataclass(frozen=True)
class Run:
    """A run in a folder of runs."""

    path: Path
    record: Record | None  # None where it says nothing of itself
    step: int  # of its newest checkpoint, 0 for none

    def __str__(self) -> str:
        of = f" of {self.record.planned_steps:,}" if self.record else ""
        state = ", finished" if self.record and self.record.finished else ""
        if self.record and self.record.ended_by == "early_stopping":
            state += " by early stopping"
        return f"{self.path.name}: step {self.step:,}{of}{state}, {size(self.path) / 1e6:,.1f} MB"


def step_name(step: int) -> str:
    """Return the name of a folder that is of a step: a checkpoint, or weights that are kept."""
    return f"{PREFIX}{step:08d}"


def saved_steps(run: Path) -> list[int]:
    """Return the steps of which there are checkpoints, whole or not, in their order."""
    names = (path.name.removeprefix(PREFIX) for path in run.glob(f"{PREFIX}*") if path.is_dir())
    return sorted(int(name) for name in names if name.isdecimal())


def runs_in(folder: Path) -> list[Run]:
    """Return the runs of a folder that have checkpoints or a record, by name."""
    paths = sorted(path for path in folder.glob("*") if path.is_dir() and not path.name.startswith("."))
    found = [Run(path, read_record(path), max(saved_steps(path), default=0)) for path in paths]
    return [one for one in found if one.step or one.record]


def read_record(path: Path) -> Record | None:
    """Return what a run says of itself, None where that is nothing that we know."""
    from pydantic import TypeAdapter, ValidationError  # here: benchmarks measure the loop on machines without it

    try:
        return TypeAdapter(Record).validate_json((path / RECORD).read_bytes(), strict=True)
    except (OSError, ValidationError):
        return None


def write_record(path: Path, record: Record) -> None:
    """Write what a run says of itself.

    Raises:
        OSError: it cannot be written.
    """
    write_atomically(path / RECORD, json.dumps(asdict(record), indent=1, ensure_ascii=False) + "\n")


def unfinished_others(run: Path, output: Path) -> list[Run]:
    """Return the runs beside this one that were begun for the same output and have not ended."""
    return [
        one
        for one in runs_in(run.parent)
        if one.path != run and one.step and one.record and not one.record.finished and one.record.output == str(output)
    ]


def shorter(run: Path, identity: Mapping[str, Any], epochs: int, output: Path) -> Run | None:
    """Return the longest finished run that differs from this one in having fewer epochs alone."""
    found = [
        (one.record.epochs, one)
        for one in runs_in(run.parent)
        if one.step and one.record and one.record.finished and one.record.output == str(output)
        if one.record.epochs < epochs and not differences(one.record.identity, identity, but=("epochs",))
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def differences(there: Mapping[str, Any], here: Mapping[str, Any], but: Sequence[str] = ()) -> list[str]:
    """Return in what two runs differ, such as `learning_rate 0.02 there, 0.01 here`."""
    found = []
    for name in here.keys() | there.keys():
        old, new = there.get(name), here.get(name)
        if name == "settings" and isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, but)
        elif old != new and name not in but:
            found.append("other shards" if name == "manifest" else f"{name} {old} there, {new} here")
    return sorted(found)


def refuse_abandoning(run: Path, identity: Mapping[str, Any], output: Path) -> None:
    """Raise where a run with other settings was begun for this output, and this one would begin beside it.

    Raises:
        UsageError: it names what differs, or the training that is at work.
    """
    others = [] if saved_steps(run) else unfinished_others(run, output)
    if not others:
        return
    if os.environ.get("RANK", "0") == "0":  # it may be at work, which is another matter
        with exclusive(beside(output), f"{output}: another training is writing there", OTHER_OUTPUT):
            pass
    [(changed, other), *_] = sorted(
        ((differences(one.record.identity, identity), one) for one in others if one.record),
        key=lambda pair: len(pair[0]),
    )
    raise UsageError(
        f"{run.parent}: an unfinished run there has other settings ({'; '.join(changed)}; {other}): put them back to "
        f"resume it, begin a new one with --fresh or with another --output, or remove it: "
        f"{PROGRAM} {run.parent} --remove {other.path.name}"
    )


def size(folder: Path) -> int:
    """Return the bytes of the files in a folder and below it."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def arguments() -> Parser:
    """Return the command line."""
    parser = Parser(prog=program(PROGRAM), description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, metavar="DIR", help="a folder of runs: runs/NAME beside the output")
    parser.add_argument(
        "--remove", nargs="+", metavar="RUN", help="the names of runs to remove, with their checkpoints"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command `python -m train.runs`.

    Raises:
        UsageError: there is no such run, or a training is at work there.
    """
    args = arguments().parse_args(argv)
    found = {one.path.name: one for one in runs_in(args.runs)}
    if args.remove is None:
        for one in found.values():
            print(visible(str(one)))
        if not found:
            what = "is a file, not a folder" if args.runs.is_file() else "no such folder"
            what = "no run has left checkpoints here" if args.runs.is_dir() else what
            print(visible(f"{args.runs}: {what}; those of an output NAME are in runs/NAME beside it"), file=sys.stderr)
        return
    for name in args.remove:
        if name not in found:
            raise UsageError(f"--remove {name}: {args.runs} has no such run; it has {', '.join(found) or 'none'}")
    with exclusive(beside(args.runs), f"{args.runs}: a training is writing there", "wait for it"):
        for name in args.remove:
            remove_folder(found[name].path)
            print(visible(f"removed {found[name].path}"))


if __name__ == "__main__":
    sys.exit(run(main, PROGRAM))
