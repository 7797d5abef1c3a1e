"""Put the pipeline under fire: kill it at random moments and run it again, and feed it files with flipped bits.

    python -m tests.flows.chaos --seed 0 --kills 20 --flips 200

Prints what it did and what came of it, in counts; exit status 1 where a run that was repeated gave other bytes, or a
flipped bit went unnoticed. `make chaos` runs it; the everyday tests run a short one.
"""

import argparse
import contextlib
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.verify import main as verify
from tests.helpers import ROOT
from tests.helpers.pipeline_runs import PipelineInputs, page, prose, tree, units_done
from wikilm.cli import run

SECONDS = 600  # a run that takes longer hangs


class Ground(PipelineInputs):
    """A multistream dump and a Parquet file of the same articles, and ways to run the pipeline on either."""

    def __init__(self, folder: Path, pages: int, words: int) -> None:
        """Make them, of `pages` articles of `words` words."""
        numbers = range(1, pages + 1)
        super().__init__(folder, [page(n, words) for n in numbers], unit_bytes=20_000, chunk_tokens=32)
        self.index = folder / "x-multistream-index.txt.bz2"
        self.parquet = folder / "x.parquet"
        columns = {"id": [str(n) for n in numbers], "title": [f"Thing {n}" for n in numbers]}
        table = pa.table(columns | {"text": [prose(n, words) for n in numbers]})
        pq.write_table(table, self.parquet, row_group_size=10, write_page_checksum=True)

    def started(self, output: Path) -> subprocess.Popen[bytes]:
        """Start a run of the dump with two worker processes, in a process group of its own."""
        more = ("--direct_running_mode", "multi_processing", "--direct_num_workers", "2")
        command = [sys.executable, "-m", "pipeline", *self.arguments(output, *more)]
        silent = subprocess.DEVNULL
        return subprocess.Popen(command, cwd=ROOT, stdout=silent, stderr=silent, start_new_session=True)


def children(pid: int) -> list[int]:
    """Processes that this one has started."""
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def kill(ground: Ground, output: Path, units: int, random_: random.Random, victim: str) -> str:
    """Start a run, kill -9 a worker or the whole group once some units are done; returns how it ended."""
    process = ground.started(output)
    wanted, end = random_.randrange(units), time.monotonic() + SECONDS
    while process.poll() is None and units_done(output) < wanted and time.monotonic() < end:
        time.sleep(0.002)
    time.sleep(random_.uniform(0, 0.05))
    workers = children(process.pid)
    if process.poll() is None and victim == "worker" and workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(random_.choice(workers), signal.SIGKILL)
    elif process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    try:
        status = process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return "hung"
    for worker in workers:  # a worker ends with its driver, and must have before the next run begins
        while Path(f"/proc/{worker}").exists() and time.monotonic() < end:
            time.sleep(0.05)
    return "had ended before" if status == 0 else "failed" if status > 0 else "was killed"


def kills(ground: Ground, count: int, random_: random.Random) -> Iterator[str]:
    """Kill `count` runs, repeat each, and compare; yields lines to print, those of a failure with FAILED."""
    plain = ground.folder / "plain"
    assert ground.run(plain) == 0
    expected, units = tree(plain), len(list((plain / "train").glob("*.arrow")))
    ends: Counter[str] = Counter()
    same = kept = 0
    for number in range(count):
        output = ground.folder / f"killed-{number}"
        victim = ("worker", "whole process group")[number % 2]
        ends[f"{victim} killed: the run {kill(ground, output, units, random_, victim)}"] += 1
        kept += units_done(output)
        if not (output / "manifest.json").exists() and any(path.name != ".unfinished" for path in output.glob("*")):
            yield f"FAILED: kill {number}: a file has a final name, and there is no manifest"
        status = ground.run(output)
        same += status == 0 and tree(output) == expected
        shutil.rmtree(output)
    yield from (f"{how}: {times}" for how, times in sorted(ends.items()))
    yield f"units that were done when a run died, of {units}, on average: {kept / max(count, 1):.1f}"
    yield f"{'' if same == count else 'FAILED: '}the same command again gave the undisturbed bytes: {same} of {count}"
    if ends["worker killed: the run hung"] or ends["whole process group killed: the run hung"]:
        yield "FAILED: a run hung"


def flipped(path: Path, target: Path, random_: random.Random) -> Path:
    """A copy of a file with one bit flipped."""
    data = bytearray(path.read_bytes())
    bit = random_.randrange(8 * len(data))
    data[bit // 8] ^= 1 << bit % 8
    target.write_bytes(data)
    return target


def flips(ground: Ground, count: int, random_: random.Random) -> Iterator[str]:
    """Flip a bit in each of `count` copies of dump, index, Parquet and shards; yields lines to print."""
    folder = ground.folder / "flipped"
    folder.mkdir()
    seen: Counter[str] = Counter()
    for source in (ground.dump, ground.parquet):
        whole = ground.folder / f"whole-{source.suffix}"
        assert (ground.run(whole, "--source", source), _verify(whole, "--source", source)) == (0, 0)
    for number in range(count):
        what = ("dump", "index", "parquet", "shards")[number % 4]
        if what == "shards":
            seen[f"{what}: {_flip_shards(ground, folder, random_)}"] += 1
            continue
        source = ground.parquet if what == "parquet" else ground.dump
        for path in (ground.dump, ground.index, ground.parquet):
            shutil.copy2(path, folder / path.name)
        flipped({"dump": ground.dump, "index": ground.index}.get(what, source), folder / _name(ground, what), random_)
        whole, output = ground.folder / f"whole-{source.suffix}", folder / "out"
        if ground.run(output, "--source", folder / source.name) != 0:
            seen[f"{what}: the run refused it"] += 1
        elif _verify(whole, "--source", str(folder / source.name)) != 0:
            same = tree(output / "train") == tree(whole / "train")
            seen[f"{what}: verify --source found it ({'no' if same else 'a'} shard differs)"] += 1
        else:
            seen[f"{what}: UNNOTICED"] += 1
        shutil.rmtree(output, ignore_errors=True)
    yield from (f"{how}: {times}" for how, times in sorted(seen.items()))
    unnoticed = sum(times for how, times in seen.items() if how.endswith("UNNOTICED"))
    yield f"{'FAILED: ' if unnoticed else ''}flipped bits that went unnoticed: {unnoticed} of {count}"


def _name(ground: Ground, what: str) -> str:
    return {"dump": ground.dump, "index": ground.index, "parquet": ground.parquet}[what].name


def _flip_shards(ground: Ground, folder: Path, random_: random.Random) -> str:
    copy = folder / "shards"
    shutil.copytree(ground.folder / "whole-.bz2", copy)
    path = random_.choice(sorted(path for path in copy.rglob("*") if path.is_file() and path.stat().st_size))
    flipped(path, path, random_)
    status = _verify(copy)
    shutil.rmtree(copy)
    return "verify found it" if status else "UNNOTICED"


def _verify(*arguments: object) -> int:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return run(verify, "verify", [str(argument) for argument in arguments])


def main(argv: Sequence[str] | None = None) -> int:
    """Do all of it, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="decides every moment and every bit")
    parser.add_argument("--kills", type=int, default=20, help="runs to kill")
    parser.add_argument("--flips", type=int, default=200, help="bits to flip")
    args = parser.parse_args(argv)
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for title, count, shake in (("kill -9", args.kills, kills), ("single-bit flips", args.flips, flips)):
            if not count:
                continue
            place = Path(folder) / shake.__name__
            place.mkdir()
            size = (600, 1500) if shake is kills else (60, 60)
            print(f"\n{title}, seed {args.seed}:", flush=True)
            for line in shake(Ground(place, *size), count, random.Random(args.seed)):
                print(f"  {line}", flush=True)
                lines.append(line)
    return int(any(line.startswith("FAILED") for line in lines))


if __name__ == "__main__":
    sys.exit(main())
