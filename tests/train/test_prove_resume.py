"""The proof of exact resuming: it kills where it says, and finds whatever differs."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.helpers import ROOT
from tests.helpers.training import PARAMS, TINY, environment, train
from tests.helpers.waiting import wait_until
from train.proof import proof as proof
from train.proof.dying import DIED, IN_SAVE
from train.prove_resume import main
from train.saved import CHECKPOINTS_KEPT
from wikilm.cli import run


@pytest.fixture
def proves(tiny_shards: Path, tiny_tokenizer: Path, both: Path) -> Callable[..., int]:
    """The command, on 24 rows."""

    def prove(*flags: object) -> int:
        named = ["--shards", tiny_shards, "--tokenizer", tiny_tokenizer, "--params", both]
        return run(main, "prove", [str(flag) for flag in (*named, *flags)])

    return prove


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """A params file with both objectives, in whose batches an epoch ends now and then."""
    everything = YAML(typ="safe").load(PARAMS)["pretrain"]
    path = tmp_path / "both.yaml"
    settings = TINY | {"batch_size": 9}
    changed = {"causal": settings, "masked": settings | {"predict": "masked"}}  # TINY has two layers
    YAML(typ="safe").dump({"pretrain": {name: everything[name] | values for name, values in changed.items()}}, path)
    return path


@pytest.mark.slow
@pytest.mark.usefixtures("one_cpu_thread")
def test_a_killed_training_ends_in_the_numbers_of_an_undisturbed_one(
    proves: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the one that is killed is a process of its own here, since importing torch takes most of the time."""
    by_command = proof.call

    def call(command: list[str], environment: dict[str, str]) -> tuple[int, str]:
        if command[2] != "train":
            return by_command(command, environment)
        return 0, train(command[3:]).stderr

    monkeypatch.setattr(proof, "call", call)
    one = ("--objective", "causal", "--processes", 1, "--accumulation", 4, "--kills", 1, "--steps", 12, "--jobs", 1)
    assert proves(*one) == 0
    out = capsys.readouterr().out
    assert "causal, 1 process, 4 parts" in out
    assert "12 of 12" in out
    assert json.loads(out.splitlines()[-1]) == {"kills": 1, "in_a_save": 1, "across_an_epochs_end": 0, "equal": 1}


@pytest.mark.slow
def test_all_set_ups_by_their_commands(proves: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert proves("--kills", 8, "--steps", 20) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told == {"kills": 8, "in_a_save": 4, "across_an_epochs_end": 4, "equal": 8}


def output_of(command: list[str]) -> Path:
    return Path(command[command.index("--output") + 1])


def write_model(model: Path, history: list[dict[str, float]], weights: bytes) -> None:
    """What a training leaves, as far as a proof looks at it."""
    model.mkdir(parents=True)
    (model / "training.json").write_text(json.dumps({"history": history}))
    (model / "model.safetensors").write_bytes(weights)


@pytest.mark.parametrize("lie", ["a loss", "the weights", "a missing step", "validation"])
def test_whatever_differs_is_found(
    lie: str,
    proves: Callable[..., int],
    both: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Trainings that are played: each writes the same numbers, but one that was killed."""

    def call(command: list[str], environment: dict[str, str]) -> tuple[int, str]:
        if "train.proof.dying" in command:
            Path(environment[DIED]).parent.mkdir(parents=True, exist_ok=True)
            Path(environment[DIED]).touch()
            return -9, ""
        model = output_of(command)
        history = [{"step": step, "loss": 1 / step, "validation_loss": 2.0} for step in range(1, 5)]
        weights = b"weights"
        if "kill" in model.parent.name:
            history[3]["loss"] += 2**-53 if lie == "a loss" else 0
            history[3]["validation_loss"] += 2**-50 if lie == "validation" else 0
            history = history[: 3 if lie == "a missing step" else 4]
            weights = b"Weights" if lie == "the weights" else weights
        write_model(model, history, weights)
        return 0, ""

    monkeypatch.setattr(proof, "call", call)
    assert proves("--kills", 1, "--steps", 4, "--objective", "causal", "--processes", 1) == 1
    assert "1 of 1 killed trainings ended in other numbers" in capsys.readouterr().err


def test_a_training_that_ends_before_its_moment_proves_nothing(
    proves: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(command: list[str], _: dict[str, str]) -> tuple[int, str]:
        if "train.proof.dying" in command:
            return -15, "stopped by SIGTERM"
        write_model(output_of(command), [{"step": 1, "loss": 1.0}], b"weights")
        return 0, ""

    monkeypatch.setattr(proof, "call", call)
    assert proves("--kills", 1, "--steps", 4, "--objective", "causal", "--processes", 1) == 1
    assert "never came; a training ended with status -15: stopped by SIGTERM" in capsys.readouterr().err


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_save_that_no_older_checkpoint_goes_after_is_not_waited_for(
    both: Path, tiny_shards: Path, steps: int
) -> None:
    set_up = proof.SetUp("causal", 1, 1)
    task = proof.prepared(set_up, proof.Inputs(tiny_shards, Path("none"), both, "both.yaml"), steps)
    for _, moment in (kill for seed in range(20) for kill in proof.chosen_kills({set_up: task}, 4, seed)):
        assert 1 <= moment.step <= steps
        assert moment.place != IN_SAVE[-1] or moment.step in task.saves[CHECKPOINTS_KEPT:]


def test_settings_that_cannot_be_are_told_by_the_flag_or_the_file(
    proves: Callable[..., int], both: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert proves("--accumulation", 64) == 2
    assert "--accumulation: gradient_accumulation cannot cut 9 rows" in capsys.readouterr().err
    both.write_text(both.read_text().replace("batch_size: 9", "batch_size: 900"))
    assert proves() == 2
    assert f"{both}: pretrain.causal.batch_size: 900 rows, but" in capsys.readouterr().err


@pytest.mark.slow
def test_a_proof_that_is_stopped_ends_its_trainings_and_removes_what_it_made(
    tiny_shards: Path, tiny_tokenizer: Path, both: Path, tmp_path: Path
) -> None:
    work = tmp_path / "temporary"
    work.mkdir()
    named = ["--shards", tiny_shards, "--tokenizer", tiny_tokenizer, "--params", both, "--jobs", 2, "--processes", 1]
    process = subprocess.Popen(
        [sys.executable, "-m", "train.prove_resume", *map(str, named)],
        env=environment(TMPDIR=str(work)),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: list(work.glob("wikilm-proof-*/undisturbed-*/runs/*/step-*")), "a training at work")
    process.terminate()
    said = process.communicate()[1]
    assert process.returncode == 128 + signal.SIGTERM
    assert said.splitlines()[-1].endswith("stopped by SIGTERM; give the same command again to begin anew")
    assert not list(work.glob("wikilm-proof-*"))
    at_work = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # of another test, and ended by now
            at_work.append(path.read_bytes())
    assert not [command for command in at_work if str(work).encode() in command]


@pytest.mark.parametrize("seed", range(5))
def test_moments_are_drawn_by_the_seed_and_are_of_every_kind(both: Path, tiny_shards: Path, seed: int) -> None:
    inputs = proof.Inputs(tiny_shards, Path("none"), both, "both.yaml")
    set_ups = [
        proof.SetUp(objective, processes, parts)
        for objective in proof.SETTINGS
        for processes in (1, 2)
        for parts in (1, 4)
    ]
    tasks = {one: proof.prepared(one, inputs, None) for one in set_ups}
    kills = proof.chosen_kills(tasks, 20, seed)
    assert kills == proof.chosen_kills(tasks, 20, seed)
    assert kills != proof.chosen_kills(tasks, 20, seed + 1)
    assert {set_up for set_up, _ in kills} == set(set_ups)
    assert sum(moment.is_in_save for _, moment in kills) == 10
    assert sum(not moment.is_in_save and tasks[one].crosses(moment.step) for one, moment in kills) >= 5
    assert {moment.process for one, moment in kills if one.processes == 1} == {None}
    assert {moment.process for one, moment in kills if one.processes == 2} >= {0, None}
    for one, moment in kills:
        assert 1 <= moment.step <= tasks[one].steps
        assert not moment.is_in_save or (moment.step in tasks[one].saves and moment.process in (0, None))


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--preset", "tiny", "--params", "x"], "--preset and --params: name one"),
        (["--shards", "x"], "--shards and --tokenizer: name both"),
        ([], "name --preset, such as tiny"),
        (["--preset", "tini"], "'tini': no such preset; did you mean 'tiny'?"),
        (["--preset", "tiny", "--work", "tests"], "--work tests: holds something"),
        (["--shards", "none", "--tokenizer", "none"], "none/manifest.json: no such file"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(flags: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, "prove", flags) in (1, 2)
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
