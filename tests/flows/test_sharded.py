"""Processes that share the parameters out are one training: whole checkpoints, exact resume, the same exports."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from tests.helpers.training import KILLED, TrainingInputs, launched, record, train, tree
from train.runs import saved_steps

pytestmark = pytest.mark.slow
SETTINGS = {
    "epochs": 3, "validate_every_steps": 4, "checkpoint_every_steps": 5, "keep_every_steps": 6, "log_every_steps": 1,
    "sample_every_steps": 9, "ema_decay": 0.9, "gradient_accumulation": 2, "clip_norm": 1.0, "exposures": True,
}  # fmt: skip
STEPS = 18
FSDP = "fsdp2.yaml"


@pytest.fixture(scope="module")
def inputs(tiny_shards: Path, tiny_tokenizer: Path) -> TrainingInputs:
    return TrainingInputs(tiny_shards, tiny_tokenizer)


def losses(folder: Path) -> list[float]:
    return [point["loss"] for point in record(folder)["history"]]


@pytest.mark.parametrize(
    ("objective", "more"),
    [("causal", {}), ("masked", {"optimizer": "adamw", "gradient_checkpointing": True})],
    ids=["causal-muon", "masked-adamw"],
)
def test_killed_in_a_save_and_started_again_it_exports_the_bytes_of_an_undisturbed_run(
    inputs: TrainingInputs, tmp_path: Path, objective: str, more: dict[str, Any]
) -> None:
    straight, killed = (
        inputs.arguments(tmp_path / name, objective, **SETTINGS | more) for name in ("straight", "killed")
    )
    done = launched(straight, config=FSDP)
    assert done.returncode == 0, done.stderr
    assert "2 processes, about 2 rows each, which share the parameters out (FSDP2)" in done.stderr
    assert done.stdout.count('"objective"') == 1
    (tmp_path / "killed.py").write_text(KILLED)
    ended = launched(killed, str(tmp_path / "killed.py"), "step-00000010", config=FSDP)
    assert ended.returncode == 1, ended.stderr
    [run] = (tmp_path / "killed" / "runs" / "model").iterdir()
    assert saved_steps(run) == [5]
    again = launched(killed, config=FSDP)
    assert again.returncode == 0, again.stderr
    assert "from step 5 to" in again.stderr
    assert tree(tmp_path / "killed" / "model") == tree(tmp_path / "straight" / "model")
    assert {"best/model.safetensors", "steps/step-00000006/model.safetensors"} <= tree(tmp_path / "killed/model").keys()


def test_checkpoints_are_whole_so_that_any_way_to_use_processes_goes_on_from_them(
    inputs: TrainingInputs, tmp_path: Path
) -> None:
    """Here shared out, then by one process, then by two that have all of it, then shared out again."""
    arguments = inputs.arguments(tmp_path, **SETTINGS | {"dropout": 0.0})
    done = launched([*arguments, "--max-steps", "4"], config=FSDP)
    assert done.returncode == 0, done.stderr
    [run] = (tmp_path / "runs" / "model").iterdir()
    [checkpoint] = run.glob("step-*")
    assert {path.suffix for path in checkpoint.iterdir()} == {".json", ".safetensors"}
    train(inputs.arguments(tmp_path / "one", **SETTINGS | {"dropout": 0.0}))
    train([*arguments, "--max-steps", "8"])
    alone = load_file(next(run.glob("step-00000008")) / "optimizer.safetensors")
    for stop, config in (("12", "multi-gpu.yaml"), (str(STEPS), FSDP)):
        done = launched([*arguments, "--max-steps", stop, "--keep-run"], config=config)
        assert done.returncode == 0, done.stderr
        assert f"from step {int(stop) - 4 if stop == '12' else 12} to step" in done.stderr
    last = load_file(next(run.glob(f"step-{STEPS:08d}")) / "optimizer.safetensors")
    assert {name: tensor.shape for name, tensor in last.items()} == {name: one.shape for name, one in alone.items()}
    assert losses(tmp_path)[0] == pytest.approx(losses(tmp_path / "one")[0], rel=1e-6)
    assert losses(tmp_path) == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
    _, info = AutoModelForCausalLM.from_pretrained(tmp_path / "model", output_loading_info=True)
    assert not info["missing_keys"]


def test_asked_to_end_it_saves_and_a_checkpoint_can_be_evaluated(inputs: TrainingInputs, tmp_path: Path) -> None:
    arguments = inputs.arguments(tmp_path, **SETTINGS | {"mixed_precision": "bf16", "architecture": "llama"})
    (tmp_path / "asked.py").write_text(KILLED.replace("os.getpid(), 9", f"os.getppid(), {int(signal.SIGTERM)}"))
    done = launched(arguments, str(tmp_path / "asked.py"), "step-00000005", config=FSDP)
    assert done.returncode == 143, done.stderr
    assert "stopped by SIGTERM, saved at step" in done.stderr
    evaluated = launched([*arguments, "--evaluate"], config=FSDP)
    assert evaluated.returncode == 0, evaluated.stderr
    told = json.loads(evaluated.stdout.splitlines()[-1])
    assert told["step"] >= 5
    assert told["validation_loss"] < 7


@pytest.mark.parametrize(
    ("flags", "settings", "told"),
    [
        ((), {"compile": True}, "compile: true makes one graph of the model, which FSDP gathers block by block"),
        (("--fsdp_offload_params", "true"), {}, "fsdp_config.fsdp_offload_params: true is nothing that training does"),
    ],
)
def test_what_cannot_be_shared_out_is_refused_once_and_without_a_traceback(
    inputs: TrainingInputs, tmp_path: Path, flags: tuple[str, ...], settings: dict[str, Any], told: str
) -> None:
    arguments = inputs.arguments(tmp_path, **settings)
    done = launched(arguments, config=FSDP, flags=flags)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count(told) == 1
    assert "Traceback" not in done.stderr
