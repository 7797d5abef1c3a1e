"""Whatever interrupts a run, nothing has a final name, and the same command ends in the same bytes."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import datasets
import pytest

import pipeline.output.reports
import pipeline.output.resume
import pipeline.run.units
import pipeline.storage.store_writer
import pipeline.unit.steps
from pipeline.__main__ import main
from pipeline.output.publish import LOCK, UNFINISHED
from pipeline.output.reports import REPORTS, UnitReport, numbered
from pipeline.storage.lock import Holder
from pipeline.storage.place import Place, parse_place
from pipeline.verify import main as verify
from tests.helpers import ROOT
from tests.helpers.dumps import Page, make_dump
from tests.helpers.pipeline_runs import PipelineInputs, final_names, prose, small_wiki, tree
from tests.helpers.s3 import s3_server
from tests.helpers.waiting import MINUTES, wait_until
from wikilm.cli import run
from wikilm.errors import RunError
from wikilm.shards.reading import read_manifest


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> PipelineInputs:
    return PipelineInputs(tmp_path_factory.mktemp("inputs"), small_wiki())


@pytest.fixture(scope="module")
def plain(inputs) -> Path:
    assert run(main, "pipeline", inputs.arguments(inputs.folder / "plain")) == 0
    return inputs.folder / "plain"


@pytest.fixture(scope="module")
def slow(inputs) -> list[object]:
    """Flags that make a run of some seconds, in units enough to be killed between them."""
    # Numbered characters are left to the slow path of the cleaner, so that a run lasts long enough to be killed.
    pages = [Page(number, f"T{number}", f"{prose(number, 12)} &#65;\n" * 500) for number in range(1, 101)]
    dump = make_dump(inputs.folder / "slow-multistream.xml.bz2", pages, pages_per_stream=2)
    return ["--source", dump, "--chunk-tokens", 64]


@pytest.fixture(scope="module")
def undisturbed(inputs, slow) -> Path:
    assert run(main, "pipeline", inputs.arguments(inputs.folder / "undisturbed", *slow)) == 0
    return inputs.folder / "undisturbed"


@pytest.fixture(scope="module")
def bucket():
    with s3_server("shards") as url:
        yield url


def started(inputs: PipelineInputs, output: object, *more: object) -> subprocess.Popen[str]:
    """A run in a process of its own."""
    command = [sys.executable, "-m", "pipeline", *inputs.arguments(output, *more)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def units_done(output: Place) -> int:
    return sum(len(numbered(output.inside(f"{UNFINISHED}/{run}"), REPORTS)) for run in output.folders(UNFINISHED))


def children(pid: int) -> list[int]:
    out = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(line) for line in out.split()]


@pytest.mark.skipif(shutil.which("pgrep") is None, reason="finds worker processes with pgrep")
@pytest.mark.slow
def test_a_run_that_is_broken_off_in_every_way_ends_in_the_same_bytes(inputs, slow, undisturbed, tmp_path, capsys):
    output, chance = Place(str(tmp_path / "out")), random.Random(7)

    def broken_off(pid_of, number: int, workers: int) -> tuple[int, str, list[int]]:
        mode = ("--direct_running_mode", "multi_processing", "--direct_num_workers", workers)
        driver, before = started(inputs, tmp_path / "out", *slow, *mode), units_done(output)
        wait_until(lambda: units_done(output) > before)
        time.sleep(chance.random() / 10)
        of_driver = children(driver.pid)
        os.kill(pid_of(driver.pid), number)
        said, err = driver.communicate(timeout=MINUTES)
        assert said == ""
        assert final_names(tmp_path / "out") == []
        return driver.returncode, (err.splitlines() or [""])[-1], of_driver

    status, _, workers = broken_off(lambda pid: pid, signal.SIGKILL, 1)
    assert status == -signal.SIGKILL
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    status, told, _ = broken_off(lambda pid: children(pid)[0], signal.SIGKILL, 2)
    assert (status, told[:67]) == (1, "python -m pipeline: error: a worker process died (exit status -9), ")
    assert "of 50 units are done and kept; give the same command again to resume" in told
    status, told, _ = broken_off(lambda pid: pid, signal.SIGINT, 1)
    assert (status, told[:40]) == (130, "python -m pipeline: error: interrupted; ")
    assert "of 50 units are done and kept" in told
    done = units_done(output)
    capsys.readouterr()
    assert run(main, "pipeline", inputs.arguments(tmp_path / "out", *slow)) == 0
    assert f"{done} of 50 units are done already" in capsys.readouterr().err
    assert tree(tmp_path / "out") == tree(undisturbed)


class FailsAfter:
    """A step of the graph that fails after some units, and counts them."""

    def __init__(self, function, units: int) -> None:
        self.function, self.left, self.calls = function, units, 0

    def __call__(self, *arguments):
        if self.left == 0:
            raise RunError("an element fails")
        self.left -= 1
        self.calls += 1
        return self.function(*arguments)


@pytest.fixture
def failing(monkeypatch):
    """Make writing shards, or looking for articles to take, fail after some units; counts what was done of both."""

    def make(writes: int, looks: int) -> tuple[FailsAfter, FailsAfter]:
        monkeypatch.undo()
        monkeypatch.setattr(pipeline.storage.store_writer, "SETTLE_SECONDS", 0.0)
        steps = FailsAfter(pipeline.unit.steps.write_report, writes), FailsAfter(pipeline.unit.steps.smallest, looks)
        monkeypatch.setattr(pipeline.unit.steps, "write_report", steps[0])
        monkeypatch.setattr(pipeline.unit.steps, "smallest", steps[1])
        return steps

    return make


@pytest.mark.parametrize("where", ["folder", pytest.param("store", marks=pytest.mark.slow)])
def test_a_rerun_makes_only_what_is_missing_with_take_too(inputs, bucket, failing, tmp_path, capsys, where):
    output = tmp_path / "out" if where == "folder" else f"{bucket}/take"
    in_one = ("--take", "5,3", "--direct_running_mode", "in_memory")
    failing(-1, -1)
    assert run(main, "pipeline", inputs.arguments(tmp_path / "plain", *in_one)) == 0
    units = read_manifest(tmp_path / "plain").source.units
    failing(-1, 4)
    assert run(main, "pipeline", inputs.arguments(output, *in_one)) == 1
    writes, looks = failing(3, -1)
    assert run(main, "pipeline", inputs.arguments(output, *in_one)) == 1
    assert f"an element fails; 3 of {units} units are done and kept" in capsys.readouterr().err
    assert (writes.calls, looks.calls) == (3, units - 4)
    assert run(main, "pipeline", inputs.arguments(output, *in_one)) == 1  # it fails always
    writes, looks = failing(-1, -1)
    assert run(main, "pipeline", inputs.arguments(output, *in_one)) == 0
    assert (writes.calls, looks.calls) == (units - 3, 0)
    assert everything(parse_place(str(output), "--output")) == tree(tmp_path / "plain")


def everything(place: Place) -> dict[str, bytes]:
    return {name: place.read(name) for name in place.sizes()}


def test_a_run_with_other_inputs_removes_what_was_done_and_says_so(inputs, plain, failing, tmp_path, capsys):
    in_one = ("--direct_running_mode", "in_memory")
    failing(3, -1)
    assert run(main, "pipeline", inputs.arguments(tmp_path / "out", "--seed", "5", *in_one)) == 1
    failing(-1, -1)
    assert run(main, "pipeline", inputs.arguments(tmp_path / "out", *in_one)) == 0
    assert "unfinished is removed: it had other settings" in capsys.readouterr().err
    assert tree(tmp_path / "out") == tree(plain)


def test_a_ledger_that_does_not_balance_is_not_gone_on_from(inputs, plain, tmp_path, monkeypatch, capsys):
    def one_more(work: Place, folder: str) -> list[UnitReport]:
        first, *others = pipeline.output.reports.read_reports(work, folder)
        counts = first.counts.model_copy(update={"pages": first.counts.pages + 1})
        return [first.model_copy(update={"counts": counts}), *others]

    monkeypatch.setattr(pipeline.run.units, "read_reports", one_more)
    arguments = inputs.arguments(tmp_path / "out", "--direct_running_mode", "in_memory")
    assert run(main, "pipeline", arguments) == 1
    assert "does not balance: pages" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    assert run(main, "pipeline", arguments) == 0
    assert tree(tmp_path / "out") == tree(plain)
    assert "done already" not in capsys.readouterr().err


@pytest.mark.slow  # the kill is that of the test above, the store's lock and rerun are those of the tests round it
def test_a_run_into_a_store_is_killed_and_goes_on_and_is_verified(
    inputs, bucket, slow, undisturbed, tmp_path, capsys, monkeypatch
):
    address = f"{bucket}/a/killed"
    output = Place(address)
    driver = started(inputs, address, *slow)
    wait_until(lambda: units_done(output) >= 3)
    driver.kill()
    driver.communicate()
    assert set(output.folders()) | set(output.names()) == {UNFINISHED}
    assert run(main, "pipeline", inputs.arguments(address, *slow)) == 0  # the lock of a dead process is no obstacle
    assert "of 50 units are done already" in capsys.readouterr().err
    assert everything(output) == tree(undisturbed)
    assert run(verify, "verify", [address]) == 0
    assert json.loads(capsys.readouterr().out)["folder"] == address
    assert datasets.load_from_disk(address).num_rows == datasets.load_from_disk(str(undisturbed)).num_rows
    shard = read_manifest(undisturbed).shards_of("train")[0].path
    changed = bytearray(output.read(shard))
    changed[-200] ^= 1
    output.write(shard, changed)
    output.remove("train/state.json")
    assert run(verify, "verify", [address]) == 1
    said = capsys.readouterr().err
    assert f"{address}/{shard}: has sha256" in said
    assert f"{address}/train/state.json: is missing" in said


def test_two_runs_into_one_store_or_folder_are_refused_by_name(inputs, bucket, tmp_path, capsys, monkeypatch):
    output = Place(f"{bucket}/two")
    output.write(LOCK, Holder.this_process().model_copy(update={"token": "its"}).data())
    assert run(main, "pipeline", inputs.arguments(output)) == 2
    assert f"two: another run is writing there (host {os.uname().nodename}, process {os.getpid()}" in (
        capsys.readouterr().err
    )
    assert set(output.sizes()) == {LOCK}


def test_what_is_wrong_with_a_store_is_told_in_one_line(inputs, bucket, capsys):
    for address, told in (("s3://nowhere/x", "no such bucket"), ("s3://me:secret@b/x", "--output")):
        assert run(main, "pipeline", inputs.arguments(address)) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert told in line
        assert "secret" not in line
    assert run(verify, "verify", [f"{bucket}/empty"]) == 1
    assert "no finished shards" in capsys.readouterr().err


def test_a_dry_run_says_what_would_be_made_and_touches_nothing(inputs, plain, failing, tmp_path, capsys, monkeypatch):
    def reads(*_):
        raise AssertionError("an article was read")

    in_one = ("--direct_running_mode", "in_memory")
    failing(2, -1)
    assert run(main, "pipeline", inputs.arguments(tmp_path / "begun", *in_one)) == 1
    monkeypatch.undo()
    monkeypatch.setattr(pipeline.source.plan.WorkUnit, "pages", reads)
    monkeypatch.setattr(pipeline.source.plan.WorkUnit, "batches", reads)
    monkeypatch.setattr(pipeline.source.plan, "checksums", reads)
    manifest, before = read_manifest(plain), tree(tmp_path)
    capsys.readouterr()
    for output, more, unfinished in (
        ("new", (), None),
        ("begun", (), {"units": 2, "goes_on": True}),
        ("begun", ("--seed", "5"), {"units": 2, "goes_on": False}),
    ):
        assert run(main, "pipeline", inputs.arguments(tmp_path / output, "--dry-run", *more)) == 0
        said = capsys.readouterr()
        [line] = said.out.splitlines()
        plan = json.loads(line)
        assert plan["unfinished"] == unfinished
        unknown = {"checksum": True, "files": {"__all__": {"checksum"}}}
        assert plan["source"] == manifest.source.model_dump(exclude=unknown)
        assert plan["shards"] == {split: len(manifest.shards_of(split)) for split in ("train", "validation")}
        assert 0 < plan["unit_bytes"]["smallest"] <= plan["unit_bytes"]["largest"] < manifest.source.bytes
        assert f"units   {manifest.source.units} of" in said.err
        assert ("2 units that an earlier run did are" in said.err) == (unfinished is not None)
    assert tree(tmp_path) == before


def test_an_output_that_holds_something_else_is_refused_by_a_dry_run_too(inputs, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    assert run(main, "pipeline", inputs.arguments(tmp_path, "--dry-run")) == 2
    assert "'thesis.txt'" in capsys.readouterr().err
