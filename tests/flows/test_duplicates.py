"""Articles that are copies of others are left out, whatever the runner and its workers, and each is named."""

import contextlib
import itertools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

import pipeline.unit.encoded
from pipeline.output.card import card
from pipeline.output.reports import ENCODED, UnitReport, write_report
from pipeline.output.shard_file import file_entry
from pipeline.storage import Place
from pipeline.verify import main as verify
from tests.helpers import ROOT
from tests.helpers.dumps import Page, make_dump
from tests.helpers.pipeline_runs import PipelineInputs, final_names, prose, tree
from wikilm.cli import run
from wikilm.shards import DUPLICATES, MANIFEST, manifest_bytes, read_manifest

LONG = 300  # words


def nearly(number: int, changed: int = 3) -> str:
    """The prose of an article with a few other words at its end."""
    return " ".join([*prose(number, LONG).split()[:-changed], *prose(number + 5000, changed).split()])


PAGES = [
    *(Page(number, f"Article {number}", prose(number, LONG)) for number in range(10, 40)),
    Page(45, "Copy of 12", prose(12, LONG)),
    Page(5, "Original of 13", prose(13, LONG)),  # kept, though it comes later
    Page(46, "Copy of 12, too", f"'''{prose(12, LONG)}'''"),  # the same once it is clean
    Page(47, "Nearly 20", nearly(20)),
    Page(48, "Short"),
    Page(49, "A", "same"),
    Page(50, "B", "same"),
    Page(51, "Half of 21", prose(21, LONG // 2)),
    Page(52, "Repeated", prose(52, LONG)),
    Page(52, "Repeated", prose(14, LONG), revision=9000),  # the newer one, which is a copy of 14
]
EXACT = {(13, 5), (45, 12), (46, 12), (50, 49), (52, 14)}
NEAR = {(47, 20)}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> PipelineInputs:
    return PipelineInputs(tmp_path_factory.mktemp("inputs"), PAGES, unit_bytes=3000)


@pytest.fixture(scope="module", params=["exact", "near"])
def made(request: pytest.FixtureRequest, inputs: PipelineInputs) -> tuple[str, Path]:
    output = inputs.folder / request.param
    assert inputs.run(output, "--deduplicate", request.param) == 0
    return request.param, output


@pytest.fixture(scope="module")
def exact(inputs: PipelineInputs) -> Path:
    output = inputs.folder / "exact once"
    assert inputs.run(output, "--deduplicate", "exact") == 0
    return output


def copies(output: Path) -> list[dict[str, object]]:
    lines = (output / "articles" / "duplicates.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines if line]


def articles_of(output: Path) -> set[int]:
    tables = [pa.ipc.open_stream((output / entry.path).read_bytes()) for entry in read_manifest(output).articles]
    return {page_id for table in tables for page_id in table.read_all()["page_id"].to_pylist()}


def test_planted_copies_are_left_out_and_each_is_named_with_the_one_that_is_kept(made: tuple[str, Path]) -> None:
    form, output = made
    expected = EXACT | (NEAR if form == "near" else set())
    assert {(copy["page_id"], copy["kept_page_id"]) for copy in copies(output)} == expected
    assert articles_of(output) == {page.id for page in PAGES if page.text} - {page_id for page_id, _ in expected}
    by_id = {copy["page_id"]: copy for copy in copies(output)}
    assert (by_id[45]["title"], by_id[45]["kept_title"], by_id[45]["reason"]) == (
        "Copy of 12",
        "Article 12",
        "duplicate",
    )
    assert by_id[45]["similarity"] == 1
    if form == "near":
        assert by_id[47]["reason"] == "near_duplicate"
        assert 0.8 <= float(str(by_id[47]["similarity"])) < 1


def test_the_ledger_counts_them_and_the_manifest_knows_their_file(made: tuple[str, Path]) -> None:
    form, output = made
    manifest = read_manifest(output)
    reasons = {"duplicate": 5, "empty_text": 1, "repeated": 1} | ({"near_duplicate": 1} if form == "near" else {})
    assert manifest.counts.left_out == reasons
    assert manifest.deduplication is not None
    assert manifest.deduplication.form == form
    assert "articles/duplicates.jsonl" in {entry.path for entry in manifest.files}
    assert run(verify, "verify", [str(output)]) == 0


@pytest.mark.parametrize("is_named", [False, True], ids=["other bytes", "a manifest that fits"])
@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda lines: lines[1:], "names 4 articles as duplicate, but the ledger counts 5"),
        (lambda lines: [*lines, lines[0]], "names 6 articles as duplicate, but the ledger counts 5"),
        (lambda lines: [*lines, "[1]"], "1 lines do not name a copy and its reason, first line 6"),
        (lambda lines: [line.replace('"duplicate"', '"other"') for line in lines], "as duplicate, but the ledger"),
    ],
    ids=["a line missing", "a line twice", "no copy", "other reasons"],
)
def test_a_list_of_copies_that_is_not_the_ledgers_is_a_fault_named_with_the_file(
    exact: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[list[str]], list[str]],
    why: str,
    is_named: bool,
) -> None:
    output = shutil.copytree(exact, tmp_path / "out")
    path = output / DUPLICATES
    path.write_text("".join(f"{line}\n" for line in change(path.read_text().splitlines())))
    if is_named:
        manifest = read_manifest(output)
        files = [file_entry(DUPLICATES, path.read_bytes()) if f.path == DUPLICATES else f for f in manifest.files]
        (output / MANIFEST).write_bytes(manifest_bytes(manifest.model_copy(update={"files": files})))
    assert run(verify, "verify", [str(output)]) == 1
    *lines, last = capsys.readouterr().err.splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    assert any(why in line if is_named else "instead of" in line for line in lines)
    assert "problems found" in last


def test_a_missing_list_of_copies_is_a_fault_with_or_without_the_manifest(
    exact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = shutil.copytree(exact, tmp_path / "out")
    (output / DUPLICATES).unlink()
    assert run(verify, "verify", [str(output)]) == 1
    assert f"{output / DUPLICATES}: is missing" in capsys.readouterr().err
    manifest = read_manifest(output)
    files = [file for file in manifest.files if file.path != DUPLICATES]
    (output / MANIFEST).write_bytes(manifest_bytes(manifest.model_copy(update={"files": files})))
    assert run(verify, "verify", [str(output)]) == 1
    assert f"{output / DUPLICATES}: is not named in manifest.json" in capsys.readouterr().err


def test_a_run_says_where_its_copies_are_named_and_that_they_count_as_taken(
    inputs: PipelineInputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from pipeline.__main__ import main

    flags = ("--deduplicate", "exact", "--take", "30,1", "--direct_running_mode", "in_memory")
    assert run(main, "pipeline", inputs.arguments(tmp_path / "out", *flags)) == 0
    said = capsys.readouterr().err
    taken = read_manifest(tmp_path / "out").counts
    copies = taken.left_out["duplicate"]
    kept = taken.train_articles
    assert kept + taken.validation_articles + copies + taken.left_out.get("empty_text", 0) == 31
    assert f"{copies} articles are copies of others: articles/duplicates.jsonl in the output names each" in said
    assert f"only {kept} of the 30 train articles that --take asks for are left, since {copies} of those taken" in said


def test_the_command_on_the_card_makes_them_again(
    made: tuple[str, Path], inputs: PipelineInputs, tmp_path: Path
) -> None:
    form, output = made
    command = card(read_manifest(output)).split("python -m pipeline ")[1].split("```")[0].replace("\\\n", " ")
    flags = shlex.split(command)
    assert flags[flags.index("--deduplicate") + 1] == form
    given = [*flags[flags.index("--deduplicate") :]]
    given = given[: given.index("--tokenizer")]
    assert inputs.run(tmp_path / "out", *given) == 0
    assert tree(tmp_path / "out") == tree(output)


@pytest.mark.parametrize(
    "mode", [("multi_threading", 2), pytest.param(("multi_processing", 2), marks=pytest.mark.slow)]
)
def test_any_workers_and_units_of_any_size_leave_out_the_same(
    made: tuple[str, Path], inputs: PipelineInputs, tmp_path: Path, mode: tuple[str, int]
) -> None:
    form, output = made
    flags = ("--deduplicate", form, "--direct_num_workers", mode[1])
    from pipeline.__main__ import main

    arguments = inputs.arguments(tmp_path / "out", *flags, "--direct_running_mode", mode[0])
    assert run(main, "pipeline", arguments) == 0
    assert tree(tmp_path / "out") == tree(output)
    assert inputs.run(tmp_path / "one", "--deduplicate", form, "--unit-bytes", 10**9) == 0
    assert articles_of(tmp_path / "one") == articles_of(output)


@pytest.mark.parametrize("step", ["keep", pytest.param("cut", marks=pytest.mark.slow)])
def test_an_interrupted_run_resumes_to_the_same_bytes(
    made: tuple[str, Path], inputs: PipelineInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    form, output = made
    written: list[int] = []

    def fails_after_three(work: Place, report: UnitReport, *folder: str) -> None:
        if len(written) == 3:
            raise OSError("no space left")
        written.append(report.unit)
        write_report(work, report, *folder)

    module = pipeline.unit.encoded if step == "keep" else pipeline.unit.steps
    monkeypatch.setattr(module, "write_report", fails_after_three)
    assert inputs.run(tmp_path / "out", "--deduplicate", form) == 1
    monkeypatch.undo()
    [work] = (tmp_path / "out" / ".unfinished").iterdir()
    assert len(list((work / ENCODED).glob("*.json"))) >= 3
    assert inputs.run(tmp_path / "out", "--deduplicate", form) == 0
    assert tree(tmp_path / "out") == tree(output)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["exact", "near"])
def test_a_run_that_is_killed_in_each_phase_ends_in_the_same_bytes(tmp_path: Path, form: str) -> None:
    texts = {number: prose(number, 3000) for number in range(1, 201)}
    copied = [Page(1000 + number, f"Copy of {number}", texts[number] + " too" * (number % 2)) for number in texts]
    pages = [*(Page(number, f"Article {number}", text) for number, text in texts.items()), *copied]
    inputs = PipelineInputs(tmp_path, pages, unit_bytes=30_000)
    assert inputs.run(tmp_path / "undisturbed", "--deduplicate", form) == 0
    modes = itertools.cycle([("in_memory", 1), ("multi_threading", 2), ("multi_processing", 2)])
    made = ("encoded/0*.json", "encoded/0002*.json", "matches/*", "copies/*", "reports/0*.json", "reports/0002*.json")
    for phase in (*made, DUPLICATES):
        mode, workers = next(modes)
        flags = ("--deduplicate", form, "--direct_running_mode", mode, "--direct_num_workers", workers)
        command = [sys.executable, "-m", "pipeline", *inputs.arguments(tmp_path / "out", *flags)]
        driver = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        while driver.poll() is None and not any((tmp_path / "out" / ".unfinished").glob(f"*/{phase}")):
            time.sleep(0.001)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(driver.pid, signal.SIGKILL)
        assert driver.wait() == -signal.SIGKILL, f"over before {phase}"
        assert final_names(tmp_path / "out") == []
    assert inputs.run(tmp_path / "out", "--deduplicate", form) == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "undisturbed")
    assert len(copies(tmp_path / "out")) == (200 if form == "near" else 100)


def test_without_it_nothing_is_left_out_and_nothing_speaks_of_it(inputs: PipelineInputs, tmp_path: Path) -> None:
    assert inputs.run(tmp_path / "out") == 0
    assert articles_of(tmp_path / "out") == {page.id for page in PAGES if page.text}
    assert not (tmp_path / "out" / "articles" / "duplicates.jsonl").exists()
    assert b"duplic" not in (tmp_path / "out" / "manifest.json").read_bytes()


def test_of_several_wikis_the_copy_and_the_kept_one_are_named_with_their_wiki(
    inputs: PipelineInputs, tmp_path: Path
) -> None:
    pages = [Page(12, "Artikel 12", prose(12, LONG)), Page(90, "Artikel 90", prose(990, LONG))]
    base = "https://de.wikipedia.org/wiki/Hauptseite"
    other = make_dump(tmp_path / "de.xml.bz2", pages, language="de", database="dewiki", base=base)
    sources = ("--source", inputs.dump, "--source", other)
    assert inputs.run(tmp_path / "out", *sources, "--deduplicate", "exact") == 0
    found = {
        (copy["wiki"], copy["page_id"], copy["kept_wiki"], copy["kept_page_id"]) for copy in copies(tmp_path / "out")
    }
    assert ("miniwiki", 12, "dewiki", 12) in found
    assert ("miniwiki", 45, "dewiki", 12) in found
    assert run(verify, "verify", [str(tmp_path / "out")]) == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--deduplicate", "fuzzy"), "'none', 'exact' or 'near'"),
        (("--near-bands", "7"), "must be a multiple of near_bands (7)"),
        (("--near-threshold", "0"), "near-threshold"),
        (("--near-ngram", "0"), "near-ngram"),
    ],
)
def test_wrong_settings_are_one_line(
    inputs: PipelineInputs, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, str], said: str
) -> None:
    from pipeline.__main__ import main

    assert run(main, "pipeline", inputs.arguments(tmp_path / "out", *flags)) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert said in line
