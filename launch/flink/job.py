"""Run the pipeline as a job of the cluster, and compare two folders of shards."""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launch.flink.service import die_with_parent
from launch.flink.worker_env import REPOSITORY, environment
from wikilm.errors import RunError
from wikilm.shards.reading import problems, read_manifest

POLL_SECONDS = 0.05
END_SECONDS = 20.0  # what a command gets to clean up in after Ctrl-C
UNITS = 24  # about how many a source is cut into: enough for every worker to have several
Watch = Callable[[], None]


@dataclass(frozen=True)
class Bench:
    """Where commands run: one build of the code and one copy of the params for all runs that are to be compared.

    The working tree may be edited while a cluster is up. Were the local run made from it and the other by the workers'
    wheel, a difference would say nothing of the runner.

    Attributes:
        python: of the workers' environment; see worker_env.py.
        params: a params file that nobody edits.
        work: the current folder of the commands.
    """

    python: Path
    params: Path
    work: Path

    def call(self, module: str, arguments: Sequence[object], watch: Watch = lambda: None) -> dict[str, Any]:
        """Run one of the project's commands, its stderr shown, and give the JSON object of its last line on stdout.

        Args:
            module: as `python -m` takes it; it gets --params besides its arguments.
            arguments: of the command; paths must be absolute.
            watch: called many times a second while it runs; what it raises stops the command.

        Raises:
            RunError: it failed.
        """
        command = [str(part) for part in (self.python, "-P", "-m", module, "--params", self.params, *arguments)]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self.work,
            env=environment(self.python, self.work),
            preexec_fn=die_with_parent,
        )
        try:
            while process.poll() is None:
                watch()
                time.sleep(POLL_SECONDS)
        finally:
            _end(process)
        said, _ = process.communicate()
        if process.returncode:
            raise RunError(f"python -m {module} ended with status {process.returncode}, for the reason it gave above")
        result: dict[str, Any] = json.loads(said.splitlines()[-1])
        return result


@dataclass(frozen=True)
class Job:
    """One run of `python -m pipeline`, whatever runs it.

    Attributes:
        bench: where it runs.
        source: as --source takes it; absolute if it is a path.
        tokenizer: folder of the tokenizer, absolute.
        unit_bytes: stored bytes of the source in each work unit.
        deduplicate: which copies are left out.
    """

    bench: Bench
    source: str
    tokenizer: Path
    unit_bytes: int
    deduplicate: str

    def run(self, output: Path, options: Sequence[str] = (), watch: Watch = lambda: None) -> dict[str, Any]:
        """Make the shards in `output` and give the counts that the command ends with.

        Args:
            output: a new folder, absolute.
            options: for Beam.
            watch: see `Bench.call`.

        Raises:
            RunError: the command failed; it has said why on stderr.
        """
        flags = ["--source", self.source, "--tokenizer", self.tokenizer, "--unit-bytes", self.unit_bytes]
        flags += ["--deduplicate", self.deduplicate]
        return self.bench.call("pipeline", [*flags, "--output", output, *options], watch)


def bench(python: Path, work: Path) -> Bench:
    """Where to run commands in the folder `work`, with a copy of this repository's params as they are now."""
    return Bench(python, Path(shutil.copy(REPOSITORY / "params.yaml", work)), work)


def job(bench: Bench, source: str, tokenizer: Path | None, unit_bytes: int | None, deduplicate: str = "none") -> Job:
    """A run with what is not given chosen: a tokenizer trained on the first source, and units enough for all."""
    path = Path(source).absolute()
    source = str(path) if path.exists() else source
    if tokenizer is None:
        tokenizer = bench.work / "tokenizer"
        if not tokenizer.exists():
            bench.call("pipeline.tokenizer", ["--source", source, "--output", tokenizer])
    if unit_bytes is None:
        unit_bytes = max(1, path.stat().st_size // UNITS) if path.is_file() else 1_000_000
    return Job(bench, source, tokenizer.absolute(), unit_bytes, deduplicate)


def differences(expected: Path, found: Path) -> Iterator[str]:
    """What is not the same, byte for byte, in two folders of shards; each file once, as one line."""
    names = {path.relative_to(folder) for folder in (expected, found) for path in folder.rglob("*") if path.is_file()}
    for name in sorted(names):
        if not (expected / name).is_file() or not (found / name).is_file():
            yield f"{name}: only in {(expected if (expected / name).is_file() else found)}"
        elif (expected / name).read_bytes() != (found / name).read_bytes():
            yield f"{name}: other bytes in {expected} than in {found}"


def require_same(expected: Path, found: Path) -> dict[str, Any]:
    """The facts about two folders of shards that are the same, byte for byte, and as their manifest says.

    Raises:
        RunError: they are not.
    """
    manifest = read_manifest(found)
    wrong = [*differences(expected, found)]
    wrong += [f"{path}: {what}" for path, what in problems(found, manifest, hashes=True)]
    if wrong:
        raise RunError(f"the shards differ from the local run's in {len(wrong)} files, first {wrong[0]}")
    files = [path for path in found.rglob("*") if path.is_file()]
    return {
        "source": manifest.source.name,
        "units": manifest.source.units,
        "files": len(files),
        "bytes": sum(path.stat().st_size for path in files),
        "rows": manifest.row_count("train") + manifest.row_count("validation"),
        "left_out": manifest.counts.left_out,
    }


def _end(process: "subprocess.Popen[str]") -> None:
    """Stop a command if it still runs: by Ctrl-C, on which it cleans up after itself, else by force."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
