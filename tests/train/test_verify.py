"""A model is what was written, or each file that is not is named."""

import json
import shutil
from pathlib import Path

import pytest

from train.verify import main
from wikilm.cli import run
from wikilm.sums import write_sums


@pytest.fixture
def models(tiny: Path, tmp_path: Path) -> list[Path]:
    found = []
    for name in ("causal", "masked"):
        found.append(Path(shutil.copytree(tiny / name, tmp_path / name)))
        write_sums(found[-1])
    return found


def test_whole_models_are_told_with_their_size(models: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, "verify", list(map(str, models))) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["models"] == list(map(str, models))
    assert told["files"] == sum(len(list(model.iterdir())) - 1 for model in models)


def test_each_file_that_differs_is_named(models: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    (models[0] / "config.json").unlink()
    weights = models[1] / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    (models[1] / "more.txt").write_text("more")
    assert run(main, "verify", list(map(str, models))) == 1
    lines = capsys.readouterr().err.splitlines()
    assert f"{models[0] / 'config.json'}: is missing" in lines
    assert any(line.startswith(f"{weights}: has sha256") for line in lines)
    assert f"{models[1] / 'more.txt'}: is not named in SHA256SUMS" in lines
    assert "problems found: 2" in lines[-1]


def test_a_name_does_nothing_to_a_terminal(models: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    (models[0] / "a\nb\033[2J").touch()
    assert run(main, "verify", [str(models[0])]) == 0
    assert capsys.readouterr().err == f"{models[0]}/a␊b␛[2J: is not named in SHA256SUMS\n"


@pytest.mark.parametrize("within", ["best", "steps/step-00000002"])
def test_of_weights_within_a_model_the_folder_with_the_sums_is_named(
    models: list[Path], within: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (models[0] / within).mkdir(parents=True)
    assert run(main, "verify", [str(models[0] / within)]) == 1
    assert f"the sums of {models[0]} are of this folder as well: name that" in capsys.readouterr().err


def test_a_folder_that_is_no_model_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, "verify", [str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "SHA256SUMS: no such file" in error
    assert error.count("\n") == 1
