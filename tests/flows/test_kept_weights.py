"""What a run exports beside its last weights: its best ones, and those of steps on the way; and where it ends early."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from probes.__main__ import main as probe
from tests.helpers import ROOT
from tests.helpers.shards import make_rows, make_shards
from tests.helpers.training import KILLED, Done, TrainingInputs, environment, launched, record, train, tree
from train.runs import main as runs
from wikilm.files import sha256_of

pytestmark = pytest.mark.usefixtures("one_cpu_thread")
SETTINGS = {
    "epochs": 6, "learning_rate": 0.05, "validate_every_steps": 4, "checkpoint_every_steps": 7, "keep_every_steps": 6,
    "sample_every_steps": None, "exposures": True, "initialization": "normal",
}  # fmt: skip
STEPS = 36


@pytest.fixture(scope="module")
def inputs(tiny_tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingInputs:
    """Shards whose validation rows are the tokens of text in any order, so that their loss falls and rises again."""
    folder = tmp_path_factory.mktemp("rising") / "shards"
    tokens = np.random.default_rng(0).permuted(make_rows(tiny_tokenizer, 4).reshape(-1))
    make_shards(folder, tiny_tokenizer, validation=tokens.reshape(4, 32))
    return TrainingInputs(folder, tiny_tokenizer)


@pytest.fixture(scope="module")
def undisturbed(inputs: TrainingInputs, one_cpu_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    train(inputs.arguments(folder, **SETTINGS))
    return folder


def best(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "model" / "best" / "training.json").read_text())


def weights_after(inputs: TrainingInputs, folder: Path, steps: int) -> str:
    """The hash of the weights that a run which is stopped after so many steps exports."""
    train([*inputs.arguments(folder, **SETTINGS | {"keep_best": False}), "--max-steps", str(steps)])
    assert not (folder / "model" / "best").exists()
    return sha256_of(folder / "model" / "model.safetensors")


def test_the_best_weights_are_exported_beside_the_last_with_their_step(
    undisturbed: Path, inputs: TrainingInputs, tmp_path: Path
) -> None:
    run, found = record(undisturbed), best(undisturbed)
    assert 0 < found["steps"] == run["lowest_validation_step"] < run["steps"] == found["run_steps"] == STEPS
    assert found["validation_loss"] == run["lowest_validation_loss"] < run["validation_loss"]
    assert found["history"] == [point for point in run["history"] if point["step"] <= found["steps"]]
    assert found["tokens"] == found["steps"] * 4 * 32
    folder = undisturbed / "model" / "best"
    assert weights_after(inputs, tmp_path, found["steps"]) == sha256_of(folder / "model.safetensors")
    assert f"those of step {found['steps']}, whose validation loss was the lowest" in (folder / "README.md").read_text()
    _, info = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"]
    evaluated = train([*inputs.arguments(undisturbed), "--output", str(folder), "--evaluate"])
    assert json.loads(evaluated.stdout)["validation_loss"] == found["validation_loss"]


def test_where_the_last_weights_are_the_best_both_folders_have_them(
    tiny_shards: Path, tiny_tokenizer: Path, tmp_path: Path
) -> None:
    train([*TrainingInputs(tiny_shards, tiny_tokenizer).arguments(tmp_path), "--max-steps", "5"])
    model = tmp_path / "model"
    assert best(tmp_path)["steps"] == best(tmp_path)["run_steps"] == 5
    assert sha256_of(model / "best" / "model.safetensors") == sha256_of(model / "model.safetensors")


def test_steps_on_the_way_are_exported_for_probes(undisturbed: Path, inputs: TrainingInputs, tmp_path: Path) -> None:
    folder = undisturbed / "model" / "steps"
    assert sorted(path.name for path in folder.iterdir()) == [f"step-{step:08d}" for step in range(6, STEPS + 1, 6)]
    assert sha256_of(folder / "step-00000036" / "model.safetensors") == sha256_of(
        undisturbed / "model" / "model.safetensors"
    )
    copy = folder / "step-00000012"
    assert weights_after(inputs, tmp_path, 12) == sha256_of(copy / "model.safetensors")
    assert json.loads((copy / "training.json").read_text())["steps"] == 12
    assert not (copy / "README.md").exists()
    output = tmp_path / "generation.json"
    asked = ["--prompt", "The", "--max-new-tokens", "4", "--params", str(ROOT / "params.yaml")]
    probe(["generate", "--model", str(copy), *asked, "--output", str(output)])
    assert json.loads(output.read_text())


def killed(pattern: str, arguments: list[str]) -> None:
    """A run that is killed when a folder is about to get such a name."""
    command = [sys.executable, "-c", KILLED, pattern, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment(), check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


MOMENTS = (  # patterns of the name that a folder is about to get, in the order in which they come
    "kept/step-00000006",
    "best/step-*",
    "best/step-{lowest:08d}",
    "step-00000028",
    ".step-00000021.gone.unfinished",
    "model",
)


def test_with_an_average_the_best_weights_are_the_average_of_the_step_of_the_lowest_loss(
    inputs: TrainingInputs, tmp_path: Path
) -> None:
    averaged = SETTINGS | {"ema_decay": 0.8}
    train(inputs.arguments(tmp_path / "whole", **averaged))
    lowest = best(tmp_path / "whole")["steps"]
    assert 0 < lowest == record(tmp_path / "whole")["lowest_validation_step"] < STEPS
    train([*inputs.arguments(tmp_path / "until", **averaged), "--max-steps", str(lowest)])
    (checkpoint,) = tmp_path.glob(f"until/runs/model/*/step-{lowest:08d}")
    averages, last = (load_file(checkpoint / f"{name}.safetensors") for name in ("optimizer", "model"))
    found = load_file(tmp_path / "whole" / "model" / "best" / "model.safetensors")
    assert found.keys() == last.keys()
    for name, weights in found.items():
        assert torch.equal(weights, averages[f"{name}/average"])
        assert not torch.equal(weights, last[name])


@pytest.mark.slow
def test_two_processes_that_are_killed_export_the_best_weights_of_two_that_are_not(
    inputs: TrainingInputs, tmp_path: Path
) -> None:
    averaged = SETTINGS | {"ema_decay": 0.8}
    straight, arguments = (inputs.arguments(tmp_path / name, **averaged) for name in ("straight", "killed"))
    (tmp_path / "killed.py").write_text(KILLED)
    for given, script, status in (
        (straight, (), 0),
        (arguments, (str(tmp_path / "killed.py"), "step-00000028"), 1),
        (arguments, (), 0),
    ):
        done = launched(given, *script)
        assert done.returncode == status, done.stderr
    assert "from step 21 to" in done.stderr
    lowest = best(tmp_path / "straight")["steps"]
    assert 0 < lowest == record(tmp_path / "straight")["lowest_validation_step"] < STEPS
    assert tree(tmp_path / "killed" / "model" / "best") == tree(tmp_path / "straight" / "model" / "best")
    assert tree(tmp_path / "killed" / "model") == tree(tmp_path / "straight" / "model")


@pytest.mark.slow
@pytest.mark.parametrize(
    "moments",
    [
        ["step-00000028"],
        *([moment] for moment in (*MOMENTS, "best/.step-*.gone.unfinished")),
        MOMENTS,
    ],
)
def test_killed_anywhere_it_exports_the_same_bytes(
    inputs: TrainingInputs, tmp_path: Path, undisturbed: Path, moments: Sequence[str]
) -> None:
    arguments = inputs.arguments(tmp_path, **SETTINGS)
    for moment in moments:
        killed(moment.format(lowest=record(undisturbed)["lowest_validation_step"]), arguments)
    train(arguments)
    assert tree(tmp_path / "model") == tree(undisturbed / "model")
    assert tree(tmp_path / "metrics") == tree(undisturbed / "metrics")
    assert not list((tmp_path / "runs").iterdir())


def test_best_weights_that_were_damaged_are_told_and_the_model_is_exported(
    inputs: TrainingInputs, tmp_path: Path
) -> None:
    arguments = inputs.arguments(tmp_path, **SETTINGS)
    train([*arguments, "--max-steps", "28"])
    (path,) = tmp_path.glob("runs/model/*/best/*/model.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    said = train(arguments).stderr
    assert f"{path.parent}: model.safetensors is not what was written; leaving it out" in said
    assert not (tmp_path / "model" / "best").exists()
    assert (tmp_path / "model" / "model.safetensors").exists()


def test_more_epochs_take_the_best_weights_along(inputs: TrainingInputs, tmp_path: Path) -> None:
    train([*inputs.arguments(tmp_path, **SETTINGS), "--keep-run"])
    before = best(tmp_path)["steps"], sha256_of(tmp_path / "model" / "best" / "model.safetensors")
    train(inputs.arguments(tmp_path, **SETTINGS | {"epochs": 7}))
    assert record(tmp_path)["steps"] == 42
    assert (best(tmp_path)["steps"], sha256_of(tmp_path / "model" / "best" / "model.safetensors")) == before
    assert sorted(path.name for path in (tmp_path / "model" / "steps").iterdir())[-1] == "step-00000042"


# Early stopping


def ended(folder: Path, done: Done) -> tuple[str, int]:
    told, kept = json.loads(done.stdout.splitlines()[-1]), record(folder)
    assert told["ended_by"] == kept["ended_by"]
    assert told["steps"] == kept["steps"]
    return kept["ended_by"], kept["steps"]


def test_a_run_ends_after_validations_without_a_lower_loss_and_stays_so_unless_it_is_given_more_patience(
    inputs: TrainingInputs, tmp_path: Path, undisturbed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, arguments = record(undisturbed), [*inputs.arguments(tmp_path, **SETTINGS, early_stopping=3), "--keep-run"]
    lowest = whole["lowest_validation_step"]
    until, done = lowest + 12, train(arguments)
    assert ended(tmp_path, done) == ("early_stopping", until)
    assert whole["ended_by"] == "planned_steps"
    assert record(tmp_path)["planned_steps"] == whole["steps"] > until
    curves = [[(p["step"], p["validation_loss"]) for p in found["history"] if "validation_loss" in p] for found in
              (record(tmp_path), whole)]  # fmt: skip
    assert curves[0] == [point for point in curves[1] if point[0] <= until]
    assert f"early stopping: no lower loss in 3 validations after step {lowest} (" in done.stderr
    assert f"ended at step {until} of {STEPS}" in done.stderr

    runs([str(tmp_path / "runs" / "model")])
    assert f"step {until} of {STEPS}, finished by early stopping" in capsys.readouterr().out
    before = tree(tmp_path / "model")
    assert ended(tmp_path, train(arguments)) == ("early_stopping", until)
    assert tree(tmp_path / "model") == before
    more = inputs.arguments(tmp_path, **SETTINGS, early_stopping=4)
    assert ended(tmp_path, train(more)) == ("early_stopping", until + 4)
    assert not list((tmp_path / "runs").iterdir())


@pytest.mark.slow
def test_killed_before_it_ended_early_it_ends_at_the_same_step_with_the_same_best_weights(
    inputs: TrainingInputs, tmp_path: Path, undisturbed: Path
) -> None:
    arguments = inputs.arguments(tmp_path, **SETTINGS, early_stopping=3)
    lowest = record(undisturbed)["lowest_validation_step"]
    killed(f"step-{lowest + 12:08d}", arguments)
    assert ended(tmp_path, train(arguments)) == ("early_stopping", lowest + 12)
    assert sha256_of(tmp_path / "model" / "best" / "model.safetensors") == sha256_of(
        undisturbed / "model" / "best" / "model.safetensors"
    )
