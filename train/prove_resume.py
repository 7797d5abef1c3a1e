"""Prove that a training which is killed and started again ends in the very numbers of one that never was.

Examples:
  python -m train.prove_resume --preset tiny --kills 20
  python -m train.prove_resume --preset tiny --kills 8 --processes 2 --sharded
  python -m train.prove_resume --shards data/shards --tokenizer data/tokenizer --steps 100 --processes 1

For each set-up (objective, number of processes, parts of a batch) one training runs undisturbed. Others are killed by
SIGKILL at moments that the seed decides: half of them inside a save, and half of the rest so that the end of an epoch
lies between the checkpoint and the kill. The same command then goes on to the end. All losses of all steps, as hex, and
the sha256 of the weights have to be equal. Trainings run on the CPU unless ACCELERATE_USE_CPU=false.

Exit status: 0 all are equal, 1 one differs or failed, 2 wrong usage.
"""

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from train.settings import OBJECTIVES
from wikilm.cli import Parser, positive, program, run
from wikilm.cores import cores
from wikilm.errors import RunError, UsageError
from wikilm.params import DEFAULT_PARAMS
from wikilm.stopped import stopped_by_signals

if TYPE_CHECKING:
    from train.proof.proof import Outcome

PROGRAM = "python -m train.prove_resume"
TITLES = ("set-up", "killed", "resumed from", "losses equal", "weights")


def arguments() -> Parser:
    """Return the command line."""
    parser = Parser(prog=program(PROGRAM), description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--preset", metavar="NAME", help="settings and, where --shards names none, shards of the bundled corpus")
    add("--params", type=Path, metavar="FILE", help="settings, instead of a preset's (default: params.yaml)")
    add("--shards", type=Path, metavar="DIR", help="what python -m pipeline wrote")
    add("--tokenizer", type=Path, metavar="DIR", help="the tokenizer that made the shards")
    add("--kills", type=positive, default=20, metavar="N", help="trainings to kill, over all set-ups (default: 20)")
    add("--seed", type=int, default=0, metavar="N", help="decides every moment (default: 0)")
    add("--steps", type=positive, metavar="N", help="end each training after so many (default: as the settings say)")
    add("--objective", nargs="+", choices=OBJECTIVES, default=OBJECTIVES, help="(default: both)")
    add("--processes", nargs="+", type=positive, default=(1, 2), metavar="N", help="of one training (default: 1 2)")
    add("--accumulation", nargs="+", type=positive, default=(1, 4), metavar="N", help="parts (default: 1 4)")
    add("--sharded", action="store_true", help="have the processes share the parameters out (FSDP2)")
    add("--jobs", type=positive, default=cores(), metavar="N", help="trainings at a time (default: the cores)")
    add("--work", type=Path, metavar="DIR", help="keep all that is made here (default: a folder that is removed)")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command.

    Raises:
        UsageError: flags that do not go together.
        RunError: a killed training ended in other numbers, or one failed.
    """
    args = arguments().parse_args(argv)
    if args.preset and args.params:
        raise UsageError("--preset and --params: name one of them")
    if (args.shards is None) != (args.tokenizer is None):
        raise UsageError("--shards and --tokenizer: name both or neither")
    if args.sharded and min(args.processes) < 2:
        raise UsageError("--sharded: one process has nobody to share with; name --processes 2 or more")
    if args.shards is None and not args.preset:
        raise UsageError("name --preset, such as tiny, which makes its own shards, or --shards and --tokenizer")
    with work_folder(args.work) as work, stopped_by_signals("begin anew"):
        outcomes = prove(args, work)
    print(table(outcomes))
    told = {
        "kills": len(outcomes),
        "in_a_save": sum(one.moment.is_in_save for one in outcomes),
        "across_an_epochs_end": sum(one.across for one in outcomes),
        "equal": sum(one.is_equal for one in outcomes),
    }
    print(json.dumps(told))
    if told["equal"] < told["kills"]:
        raise RunError(f"{told['kills'] - told['equal']} of {told['kills']} killed trainings ended in other numbers")


@contextlib.contextmanager
def work_folder(named: Path | None) -> Iterator[Path]:
    """Give a folder to work in: the one that was named, which has to be new or empty, or one that is removed.

    Raises:
        UsageError: it holds something.
    """
    if named is None:
        with tempfile.TemporaryDirectory(prefix="wikilm-proof-") as folder:
            yield Path(folder)
        return
    if named.exists() and (not named.is_dir() or any(named.iterdir())):
        raise UsageError(f"--work {named}: holds something; name a new folder")
    named.mkdir(parents=True, exist_ok=True)
    yield named


def prove(args: argparse.Namespace, work: Path) -> list["Outcome"]:
    """Run all trainings, and compare.

    Raises:
        UsageError: settings or a preset that are wrong.
        RunError: a training failed, or a moment never came.
    """
    from train.proof.commands import ended_together
    from train.proof.proof import (
        Inputs,
        SetUp,
        chosen_kills,
        inputs_of_preset,
        killed,
        own_params,
        prepared,
        undisturbed,
    )

    params = own_params(work, args.preset) if args.preset else args.params
    told = f"--preset {args.preset}" if args.preset else str(args.params or DEFAULT_PARAMS)
    given = Inputs(args.shards, args.tokenizer, params, told) if args.shards else None
    inputs = given or inputs_of_preset(work, params, told)
    set_ups = [SetUp(*one, args.sharded) for one in product(args.objective, args.processes, args.accumulation)]
    tasks = {set_up: prepared(set_up, inputs, args.steps) for set_up in set_ups}
    kills = chosen_kills(tasks, args.kills, args.seed)
    used = list(dict.fromkeys(set_up for set_up, _ in kills))
    at_once = max(1, args.jobs // max(args.processes))
    with ThreadPoolExecutor(at_once) as pool, ended_together():
        each = pool.map if at_once > 1 else map
        say(f"undisturbed: {', '.join(map(str, used))}")
        expected = dict(zip(used, each(lambda one: undisturbed(tasks[one], work), used), strict=True))
        say(f"killed: {len(kills)} trainings")

        def kill(number: int) -> "Outcome":
            set_up, moment = kills[number]
            outcome = killed(tasks[set_up], moment, expected[set_up], work / f"kill-{number:03d}")
            say(f"{number + 1} of {len(kills)}: {set_up}, {moment}: {'equal' if outcome.is_equal else 'DIFFERENT'}")
            return outcome

        return list(each(kill, range(len(kills))))


def table(outcomes: Sequence["Outcome"]) -> str:
    """Return a line for each killed training."""
    rows = [
        (
            str(one.set_up),
            f"{one.moment}{', after the end of an epoch' if one.across else ''}",
            f"step {one.resumed}",
            f"{one.equal_losses} of {one.steps}",
            "equal" if one.same_weights else "DIFFERENT",
        )
        for one in outcomes
    ]
    widths = [max(map(len, column)) for column in zip(TITLES, *rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in (TITLES, *rows))


def say(text: str) -> None:
    """Print a line for people."""
    print(f"prove_resume: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run(main, PROGRAM))
