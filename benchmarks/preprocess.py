"""Compare the pipeline with a bare loop, `datasets.map` and datatrove, side by side in one run.

    python -m benchmarks.preprocess --source corpus/wiki.xml.bz2 --vocabulary gpt2 --work /tmp/bench --sizes 1e8,1e9

Makes sources of the sizes asked for (see `make_big_source`), runs every contender as a process of its own, by turns and
`--repeat` times, and prints medians. CPU time is that of the whole tree of processes. "start-up" is what the same
command takes for a source of a megabyte; it is taken off for the rates, so that small sizes tell what large ones do.
RSS is the largest process's. On a machine that does other work, wall times and what follows from them mean little.
"""

import argparse
import bz2
import contextlib
import gzip
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.make_big_source import make

ROOT = Path(__file__).parents[1]
TINY = 1_000_000
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}
PARAMS = """
source: {path: none.parquet, unit_bytes: 4000000}
split: {seed: 0, validation_fraction: 0.1, take: null}
tokenizer: {vocab_size: 1000, pretrained: null}
shards: {chunk_tokens: 128, chunking: pack, max_dead_fraction: 0.1}
"""


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds, seconds of all its processes' CPU, bytes of the largest process."""

    wall: float
    cpu: float
    rss: int


Contender = tuple[str, Callable[[Path], list[str]]]  # name, and the command for a source


def measured(command: Sequence[str], output: Path) -> Cost:
    """Run a command to its end, with what it writes thrown away; a command that fails ends the benchmark."""
    shutil.rmtree(output, ignore_errors=True)
    began = time.monotonic()
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | OFFLINE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{said.decode()[-2000:]}")
    shutil.rmtree(output, ignore_errors=True)
    return Cost(time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def ours(name: str, work: Path, *options: str) -> Contender:
    """`python -m pipeline` with some of Beam's options."""
    common = ["--params", str(work / "params.yaml"), "--tokenizer", str(work / "tokenizer"), "--output"]
    return name, lambda source: [
        sys.executable, "-m", "pipeline", "--source", str(source), *common, str(work / "out"), *options,
    ]  # fmt: skip


def peer(name: str, kind: str, work: Path) -> Contender:
    """One of `benchmarks.peers`."""
    common = ["--tokenizer", str(work / "tokenizer"), "--output", str(work / "out")]
    return name, lambda source: [sys.executable, "-m", "benchmarks.peers", kind, "--source", str(source), *common]


def workers(mode: str, count: int) -> list[str]:
    """Beam's options for so many workers."""
    return [f"--direct_running_mode={mode}", f"--direct_num_workers={count}"]


def compare(
    contenders: Sequence[Contender], source: Path, tiny: Path, size: int, repeat: int, work: Path
) -> list[float]:
    """Run all contenders by turns and print one line each; the first is what the others are measured by.

    Returns:
        For each the wall seconds, without start-up.
    """
    runs: dict[str, list[Cost]] = {name: [] for name, _ in contenders}
    starts: dict[str, list[Cost]] = {name: [] for name, _ in contenders}
    for _ in range(repeat):
        for name, command in contenders:
            starts[name].append(measured(command(tiny), work / "out"))
            runs[name].append(measured(command(source), work / "out"))
    print(f"\n{source.name}: {size / 1e6:,.0f} MB, medians of {repeat}")
    print(
        f"{'':34}{'wall s':>8}{'CPU s':>8}{'start-up':>9}{'MB/s per core':>15}{'MB/s wall':>11}"
        f"{'CPU ratio':>11}{'speed-up':>10}{'RSS MB':>8}"
    )
    first: tuple[float, float] | None = None
    walls = []
    for name, _ in contenders:
        start_cpu, start_wall = _median(starts[name], "cpu"), _median(starts[name], "wall")
        cpu, wall = _median(runs[name], "cpu") - start_cpu, _median(runs[name], "wall") - start_wall
        first = first or (cpu, wall)
        walls.append(wall)
        print(
            f"{name:34}{_median(runs[name], 'wall'):8.1f}{_median(runs[name], 'cpu'):8.1f}{start_cpu:9.1f}"
            f"{_ratio(size / 1e6, cpu):>15}{_ratio(size / 1e6, wall):>11}{_ratio(first[0], cpu):>11}"
            f"{_ratio(first[1], wall):>10}"
            f"{max(cost.rss for cost in runs[name]) / 1e6:8.0f}",
            flush=True,
        )
    return walls


def _ratio(dividend: float, seconds: float) -> str:
    """A ratio in three digits; none where less time was taken than start-up takes, so that noise is all there is."""
    return f"{dividend / seconds:.3g}" if dividend > 0 and seconds > 0 else "?"


def _median(costs: Sequence[Cost], field: str) -> float:
    return statistics.median(getattr(cost, field) for cost in costs)


def parquet_source(base: str, folder: Path, size: int) -> tuple[Path, int]:
    """A folder of two Parquet files, since datatrove gives a task whole files; and the bytes of text in it."""
    folder.mkdir()
    whole = folder.with_suffix(".parquet")
    done = make(base, whole, size)
    file = pq.ParquetFile(whole)
    for part in range(2):
        groups = range(part * file.num_row_groups // 2, (part + 1) * file.num_row_groups // 2)
        with pq.ParquetWriter(folder / f"part-{part}.parquet", file.schema_arrow) as writer:
            for group in groups:
                writer.write_table(file.read_row_group(group))
    whole.unlink()
    return folder, done


def as_gzip(dump: Path) -> Path:
    """The same dump as one gz stream, which can only be read as one unit."""
    path = dump.with_name("whole.xml.gz")
    with bz2.open(dump) as file, gzip.open(path, "wb", compresslevel=1) as out:
        shutil.copyfileobj(file, out)
    return path


def of_parquet(args: argparse.Namespace, size: int, peers: bool) -> None:
    """Compare on plain text: against the bare loop, and against the slow peers where the size allows."""
    source, done = parquet_source(args.source, args.work / f"text-{size}", size)
    contenders = [
        peer("bare loop, 1 core", "bare", args.work),
        peer("bare loop, 2 processes", "bare2", args.work),
        ours("wikilm, 1 worker", args.work, *workers("in_memory", 1)),
        ours("wikilm, 2 threads", args.work, *workers("multi_threading", 2)),
        ours("wikilm, 2 processes", args.work, *workers("multi_processing", 2)),
    ]
    tiny = args.work / "tiny"
    bare, bare_by_two, one, threads, processes = compare(contenders, source, tiny, done, args.repeat, args.work)
    print(
        f"two workers by one: threads {_ratio(one, threads)}, processes {_ratio(one, processes)}; "
        f"the bare loop {_ratio(bare, bare_by_two)}, which is what the machine gives"
    )
    if peers:
        slow = [
            peer("datasets.map, 2 processes", "map", args.work),
            peer("datatrove, 2 processes", "datatrove", args.work),
        ]
        compare([contenders[3], *slow], source, tiny, done, 1, args.work)
    shutil.rmtree(source)


def of_dump(args: argparse.Namespace, size: int) -> None:
    """Compare on a dump, by bytes of XML; and once as one unit that cannot be split."""
    source, tiny = (args.work / f"{name}-multistream.xml.bz2" for name in (f"dump-{size}", "tiny"))
    done = make(args.source, source, size)
    contenders = [
        ours("wikilm, 1 worker", args.work, *workers("in_memory", 1)),
        ours("wikilm, 2 processes", args.work, *workers("multi_processing", 2)),
    ]
    one, processes = compare(contenders, source, tiny, done, args.repeat, args.work)
    print(f"two workers by one: {_ratio(one, processes)}")
    compare(contenders[:1], as_gzip(source), tiny, done, 1, args.work)
    for path in args.work.glob(f"dump-{size}-*"):
        path.unlink()


def main() -> None:
    """The command `python -m benchmarks.preprocess`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", required=True, help="what to make sources from: a dump of some megabytes")
    parser.add_argument("--vocabulary", default="gpt2", help="GPT-2's tokenizer: a folder, or its name on the hub")
    parser.add_argument(
        "--work", type=Path, required=True, help="a new folder for all that is made; removed at the end"
    )
    parser.add_argument("--sizes", default="1e8", help="bytes of text and of XML, with commas between")
    parser.add_argument("--peer-bytes", type=float, default=1e8, help="the slow peers run up to this size")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each, by turns")
    parser.add_argument("--only", choices=["parquet", "dump"], help="one kind of source")
    args = parser.parse_args()
    args.work = args.work.absolute()
    args.work.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, args.work)
        (args.work / "params.yaml").write_text(PARAMS)
        made = [sys.executable, "-m", "pipeline.tokenizer", "--pretrained", args.vocabulary, "--source", args.source]
        tokenizer = ["--params", str(args.work / "params.yaml"), "--output", str(args.work / "tokenizer")]
        subprocess.run([*made, *tokenizer], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        parquet_source(args.source, args.work / "tiny", TINY)
        make(args.source, args.work / "tiny-multistream.xml.bz2", TINY)
        for size in (int(float(text)) for text in args.sizes.split(",")):
            if args.only != "dump":
                of_parquet(args, size, size <= args.peer_bytes)
            if args.only != "parquet":
                of_dump(args, size)


if __name__ == "__main__":
    main()
