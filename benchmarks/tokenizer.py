"""Measure how much faster a tokenizer is trained by several workers than by one, and what Amdahl's law allows.

    python -m benchmarks.tokenizer --source corpus/wiki.xml.bz2 --work /tmp/bench --sizes 2e8,1e9

Makes dumps of the sizes asked for (see `make_big_source`) and trains on each by turns, `--repeat` times: by one worker
in the command's own process, by one worker process, and by `--workers` of them. All give the same bytes, or the
benchmark fails. Of all seconds it prints the least.

"driver" is the CPU time of the command itself, which works alone: it plans, gathers what the workers have added up, and
learns the merges. "start" is what a worker process takes before it works, as a source of a megabyte shows. The rest is
shared by the workers. So by Amdahl's law N idle cores need driver + start + work / N. On a machine that does other work
wall times say little, and CPU seconds more: they show what the program allows. Where cores are halves of one (SMT), the
same work takes more CPU seconds when all are busy: the last figure says how many times as many.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.make_big_source import make
from benchmarks.preprocess import PARAMS, ROOT, TINY, workers
from pipeline.prose.fast_path import PAYS

# The command, which says in the end what it took, and what its workers took.
COMMAND = """
import json, resource, sys
from pipeline.tokenizer import PROGRAM, main
from wikilm.cli import run
status = run(main, PROGRAM)
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(json.dumps([[one.ru_utime + one.ru_stime, one.ru_maxrss * 1024] for one in used]))
sys.exit(status)
"""


@dataclass(frozen=True)
class Run:
    """What a training took: seconds, CPU seconds of the command and of its workers, bytes of the largest process."""

    wall: float
    driver: float
    workers: float
    rss: int
    sha256: str

    @property
    def cpu(self) -> float:
        """CPU seconds of all processes."""
        return self.driver + self.workers


def train(source: Path, work: Path, vocab_size: int, options: Sequence[str]) -> Run:
    """Train a tokenizer, which is thrown away; workers load what is compiled, as they do for a large source."""
    command = [sys.executable, "-c", COMMAND, "--params", str(work / "params.yaml"), "--source", str(source)]
    command += ["--output", str(work / "out"), "--vocab-size", str(vocab_size), *options]
    began = time.monotonic()
    environment = os.environ | {PAYS: "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    wall = time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    made, used = map(json.loads, done.stdout.splitlines()[-2:])
    (driver, driver_rss), (children, worker_rss) = used
    return Run(wall, driver, children, max(driver_rss, worker_rss), made["sha256"])


def law(driver: float, start: float, work: float, count: int) -> float:
    """Return the seconds that so many workers need, each on a core of its own."""
    return driver + start + work / count


def compare(source: Path, tiny: Path, size: int, args: argparse.Namespace) -> None:
    """Train by turns, print a line for each way, and what Amdahl's law makes of it."""
    ways = {
        "one worker, in the command": workers("in_memory", 1),
        "one worker process": workers("multi_processing", 1),
        f"{args.workers} worker processes": workers("multi_processing", args.workers),
    }
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    for _ in range(args.repeat):
        for name, options in ways.items():
            runs[name].append(train(source, args.work, args.vocab_size, options))
    if len({run.sha256 for some in runs.values() for run in some}) != 1:
        raise SystemExit("the tokenizers differ")
    print(f"\n{size / 1e6:,.0f} MB of XML, {args.vocab_size} entries, the least of {args.repeat}")
    print(f"{'':28}{'wall s':>8}{'CPU s':>8}{'driver':>8}{'workers':>9}{'RSS MB':>8}")
    for name, some in runs.items():
        wall, cpu, driver, others = (min(getattr(r, f) for r in some) for f in ("wall", "cpu", "driver", "workers"))
        print(f"{name:28}{wall:8.1f}{cpu:8.1f}{driver:8.1f}{others:9.1f}{max(r.rss for r in some) / 1e6:8.0f}")
    one, single, several = runs.values()
    start = min(train(tiny, args.work, 512, workers("multi_processing", 1)).workers for _ in range(args.repeat))
    driver, of_one = min(run.driver for run in several), min(run.workers for run in single)
    of_all = min(run.workers for run in several)
    alone, expected = min(run.cpu for run in one), law(driver, start, of_one - start, args.workers)
    slower = (of_all - args.workers * start) / (of_one - start)
    print(
        f"{args.workers} workers by one: {min(run.wall for run in one) / min(run.wall for run in several):.2f} by the "
        f"clock; by Amdahl's law {alone / expected:.2f}, {alone:.1f} s by {driver:.1f} driver + {start:.1f} start + "
        f"{of_one - start:.1f} work / {args.workers}\n"
        f"side by side, the same work takes {slower:.2f} times the CPU time",
        flush=True,
    )


def main() -> None:
    """The command `python -m benchmarks.tokenizer`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", required=True, help="what to make dumps from: a dump of some megabytes")
    parser.add_argument(
        "--work", type=Path, required=True, help="a new folder for all that is made; removed at the end"
    )
    parser.add_argument("--sizes", default="2e8", help="bytes of XML, with commas between")
    parser.add_argument("--vocab-size", type=int, default=8192, help="entries of the tokenizer")
    parser.add_argument("--workers", type=int, default=2, help="how many worker processes, at least 2")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each, by turns")
    args = parser.parse_args()
    if args.workers < 2:
        parser.error("--workers must be at least 2")
    args.work = args.work.absolute()
    args.work.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, args.work)
        (args.work / "params.yaml").write_text(PARAMS)
        tiny = args.work / "tiny-multistream.xml.bz2"
        make(args.source, tiny, TINY)
        for size in (int(float(text)) for text in args.sizes.split(",")):
            source = args.work / f"dump-{size}-multistream.xml.bz2"
            compare(source, tiny, make(args.source, source, size), args)
            for path in args.work.glob(f"dump-{size}-*"):
                path.unlink()


if __name__ == "__main__":
    main()
