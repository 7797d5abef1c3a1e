"""Runs are listed with what they are and take, and removed by their names, but not under a training."""

from pathlib import Path

import pytest

from train.runs import Record, main, write_record
from wikilm.cli import run
from wikilm.locks import beside, exclusive


def make_run(folder: Path, name: str, step: int, *, finished: bool = False) -> None:
    path = folder / name / f"step-{step:08d}"
    path.mkdir(parents=True)
    (path / "model.safetensors").write_bytes(b"0" * 2_000_000)
    write_record(folder / name, Record("models/x", {}, epochs=2, planned_steps=100, finished=finished))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    make_run(tmp_path / "runs", "aaa", 7)
    make_run(tmp_path / "runs", "bbb", 100, finished=True)
    (tmp_path / "runs" / "old" / "step-00000003").mkdir(parents=True)
    (tmp_path / "runs" / "not a run").mkdir()
    return tmp_path / "runs"


def test_each_run_has_a_line(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, "runs", [str(runs)]) == 0
    assert capsys.readouterr().out == (
        "aaa: step 7 of 100, 2.0 MB\nbbb: step 100 of 100, finished, 2.0 MB\nold: step 3, 0.0 MB\n"
    )


def test_the_named_ones_are_removed(runs: Path) -> None:
    assert run(main, "runs", [str(runs), "--remove", "aaa", "old"]) == 0
    assert sorted(path.name for path in runs.iterdir()) == ["bbb", "not a run"]


@pytest.mark.parametrize(
    ("name", "what"),
    [(".", "no run has left checkpoints here"), ("none", "no such folder"), ("file", "is a file, not a folder")],
)
def test_a_folder_without_runs_is_told(
    tmp_path: Path, name: str, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert run(main, "runs", [str(tmp_path / name)]) == 0
    assert (told := capsys.readouterr()).out == ""
    assert what in told.err


@pytest.mark.parametrize("name", ["../runs", "none", "not a run"])
def test_what_is_no_run_is_not_removed(runs: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, "runs", [str(runs), "--remove", "aaa", name]) == 2
    assert "has no such run; it has aaa, bbb, old" in capsys.readouterr().err
    assert (runs / "aaa").exists()


def test_nothing_is_removed_under_a_training(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with exclusive(beside(runs), "", ""):
        assert run(main, "runs", [str(runs), "--remove", "aaa"]) == 2
    assert "a training is writing there (host " in capsys.readouterr().err
    assert (runs / "aaa").exists()


WHOLE = '"output": "models/x", "identity": {}, "epochs": 2, "planned_steps": 100'
WRONG = (
    *('"output": 3', '"output": null', '"identity": []', '"identity": "x"', '"epochs": "2"', '"epochs": 2.5'),
    *('"planned_steps": "y"', '"planned_steps": null', '"finished": "no"', '"ended_by": "chance"', '"continues": 3'),
    '"continues": ["x"]',
)  # the last of two values for a key counts


@pytest.mark.parametrize("content", ["", "[]", "{}", "\udcff", *(f"{{{WHOLE}, {wrong}}}" for wrong in WRONG)])
def test_a_record_that_is_none_is_of_a_run_that_says_nothing(
    runs: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "aaa" / "run.json").write_bytes(content.encode(errors="surrogateescape"))
    assert run(main, "runs", [str(runs)]) == 0
    assert "aaa: step 7, 2.0 MB\n" in capsys.readouterr().out
