"""Run sources through a real Flink cluster on this machine, and compare the shards with those of a local run.

Starts Flink's job manager, a task manager, Beam's job server and a pool of Python workers on the loopback, runs each
source here and there, compares every byte, and stops it all. Needs Java 11 or 17, Maven and uv; what they bring goes to
$WIKILM_CACHE or ~/.cache/wikilm, once.

Examples:
  python -m launch.flink                                                             the bundled corpus
  python -m launch.flink --source a-pages-articles-multistream.xml.bz2 --workers 4
"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from launch.flink.cluster import Cluster, running
from launch.flink.config import Settings
from launch.flink.jars import fetch
from launch.flink.job import Bench, bench, job, require_same
from launch.flink.worker_env import worker_python
from launch.hosts import Host
from wikilm.cli import Parser, run
from wikilm.errors import RunError, reason

PROGRAM = "python -m launch.flink"
CORPUS = Path(__file__).parents[2] / "corpus" / "miniwiki-pages-articles-multistream.xml.bz2"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of every command that runs a cluster."""
    source = f"a dump; may be given again (default: {CORPUS.name})"
    parser.add_argument("--source", action="append", metavar="PATH", help=source)
    parser.add_argument("--tokenizer", type=Path, help="its folder (default: one is trained on the first source)")
    parser.add_argument("--unit-bytes", type=int, metavar="N", help="bytes in a work unit (default: about 24 units)")


@contextmanager
def work_folder() -> Iterator[Path]:
    """A folder for logs and shards, gone afterwards; after an error it stays, and the error names it.

    SIGTERM and SIGHUP end the block as Ctrl-C does, so that a cluster in it is stopped.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    work = Path(tempfile.mkdtemp(prefix="wikilm-flink-"))
    try:
        yield work
    except (RunError, OSError) as error:
        if not (work / "logs").exists():  # nothing was started: the reason says all there is
            shutil.rmtree(work, ignore_errors=True)
            raise
        for name in ("tmp", "artifacts"):
            shutil.rmtree(work / name, ignore_errors=True)
        raise RunError(f"{reason(error)}; logs and shards are in {work}") from error
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    shutil.rmtree(work, ignore_errors=True)


def compare(cluster: Cluster, args: argparse.Namespace, at: Bench) -> Iterator[dict[str, object]]:
    """Run every source here and on the cluster; the facts about each, once its shards are the same."""
    for number, source in enumerate(args.source):
        this = job(at, source, args.tokenizer, args.unit_bytes, args.deduplicate)
        local, there = at.work / f"local-{number}", at.work / f"flink-{number}"
        say(f"{source}: the local run")
        began = time.monotonic()
        this.run(local)
        between = time.monotonic()
        say(f"{source}: the same on Flink")
        this.run(there, cluster.pipeline_options(), cluster.check)
        seconds = {"local_seconds": round(between - began, 1), "flink_seconds": round(time.monotonic() - between, 1)}
        facts = require_same(local, there) | seconds
        say(f"{source}: the same {facts['bytes']} bytes in {facts['files']} files of {facts['units']} units")
        yield facts


def main(argv: Sequence[str] | None = None) -> None:
    """The command `python -m launch.flink`."""
    parser = Parser(prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="Python workers, one a slot (default: 2)")
    parser.add_argument(
        "--deduplicate", choices=("none", "exact", "near"), default="none", help="leave out copies (default: none)"
    )
    args = parser.parse_args(argv)
    if args.workers < 1:
        parser.error(f"argument --workers: must be 1 or more, not {args.workers}")
    args.source = args.source or [str(CORPUS)]
    with work_folder() as work:
        say("looking for Flink, Beam's job server and the workers' environment in the cache, or fetching them")
        jars, python = fetch(), worker_python()
        settings = Settings((Host("localhost"),), slots=args.workers)
        with running(settings, jars, python, work, say) as cluster:
            results = list(compare(cluster, args, bench(python, work)))
    print(json.dumps({"runner": "flink", "workers": args.workers, "sources": results}, ensure_ascii=False))


def say(line: str) -> None:
    """One line of progress."""
    print(f"{PROGRAM}: {line}", file=sys.stderr, flush=True)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(run(main, PROGRAM))
