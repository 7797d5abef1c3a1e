"""What a training may be asked for beside its defaults: Llama, a warm start, an average of the weights, less memory.

Each of them is interrupted and resumed, and gives what it gives undisturbed.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch.amp import GradScaler
from transformers import AutoModelForCausalLM, LlamaForCausalLM, pipeline

from tests.helpers import ROOT
from tests.helpers.hub_server import COMMIT, hub_environment, hub_server
from tests.helpers.models import make_stock
from tests.helpers.training import TrainingInputs, environment, plan_of, record, train
from train.loop import Training
from train.model.first_model import first_model
from wikilm.files import sha256_of

pytestmark = pytest.mark.usefixtures("one_cpu_thread")
SHORT = {"epochs": 2, "validate_every_steps": 5, "checkpoint_every_steps": 5, "log_every_steps": 1}
OPEN = {"layers": None, "heads": None, "width": None}


@pytest.fixture(scope="module")
def inputs(tiny_shards: Path, tiny_tokenizer: Path) -> TrainingInputs:
    return TrainingInputs(tiny_shards, tiny_tokenizer)


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


def losses(folder: Path) -> list[float]:
    return [point["loss"] for point in record(folder)["history"] if "loss" in point]


@pytest.mark.parametrize(
    ("objective", "settings"),
    [
        ("causal", {"architecture": "llama"}),
        ("causal", {"ema_decay": 0.9}),
        ("masked", {"ema_decay": 0.9, "optimizer": "adamw"}),
        ("causal", {"init": {"from": "stock", "revision": None}, **OPEN}),
    ],
    ids=["llama", "average", "average-masked", "warm-start"],
)
def test_interrupted_and_resumed_it_gives_the_bytes_of_an_undisturbed_run(
    inputs: TrainingInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, objective: str, settings: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    make_stock(Path("stock"), "gpt2", inputs.tokenizer)
    train(inputs.arguments(Path("straight"), objective, **SHORT, **settings))
    arguments = inputs.arguments(Path("resumed"), objective, **SHORT, **settings)
    for stop in ("4", "8"):
        train([*arguments, "--max-steps", stop])
    train(arguments)
    assert len(losses(Path("straight"))) == 12
    assert hashes(Path("resumed/model")) == hashes(Path("straight/model"))


def test_a_llama_is_exported_as_one_that_transformers_loads(inputs: TrainingInputs, tmp_path: Path) -> None:
    train(inputs.arguments(tmp_path, architecture="llama", **SHORT))
    model, info = AutoModelForCausalLM.from_pretrained(tmp_path / "model", output_loading_info=True)
    assert isinstance(model, LlamaForCausalLM)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert model.config.max_position_embeddings == 32
    generate = pipeline("text-generation", model=str(tmp_path / "model"))
    assert generate("The river")[0]["generated_text"].startswith("The river")
    assert record(tmp_path)["architecture"] == "llama"
    assert "# Llama pretrained from scratch" in (tmp_path / "model" / "README.md").read_text()


@pytest.mark.parametrize(
    ("objective", "settings"),
    [("causal", {}), ("causal", {"architecture": "llama"}), ("masked", {})],
    ids=["gpt2", "llama", "bert"],
)
def test_blocks_that_are_computed_again_change_no_number(
    inputs: TrainingInputs, tmp_path: Path, objective: str, settings: dict[str, Any]
) -> None:
    """With dropout, whose choices have to be the same when a block is computed again."""
    for name, again in (("kept", False), ("again", True)):
        arguments = inputs.arguments(tmp_path / name, objective, gradient_checkpointing=again, **SHORT, **settings)
        train([*arguments, "--max-steps", "4"])
    assert losses(tmp_path / "again") == losses(tmp_path / "kept")
    kept, again = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("kept", "again"))
    assert all(torch.equal(kept[name], again[name]) for name in kept)


def test_blocks_are_computed_again_where_that_was_asked_for(inputs: TrainingInputs, tmp_path: Path) -> None:
    model = first_model(plan_of(inputs.arguments(tmp_path, gradient_checkpointing=True))).train()
    calls: list[int] = []
    model.transformer.h[0].attn.register_forward_hook(lambda *_: calls.append(1))
    model(torch.zeros(1, 4, dtype=torch.int64)).logits.sum().backward()
    assert len(calls) == 2


def test_the_average_is_what_is_validated_and_exported_and_the_last_weights_go_on(
    inputs: TrainingInputs, tmp_path: Path
) -> None:
    arguments = inputs.arguments(tmp_path, ema_decay=0.99, **SHORT)
    train([*arguments, "--max-steps", "10"])
    (run,) = (tmp_path / "runs" / "model").iterdir()
    exported = load_file(tmp_path / "model" / "model.safetensors")
    last = load_file(run / "step-00000010" / "model.safetensors")
    averages = load_file(run / "step-00000010" / "optimizer.safetensors")
    for name, weights in last.items():
        assert torch.equal(exported[name], averages[f"{name}/average"])
        assert not torch.equal(exported[name], weights)
    shown = [point["validation_loss"] for point in record(tmp_path)["history"] if point["step"] == 10]
    plan = plan_of(inputs.arguments(tmp_path / "next", init={"from": str(tmp_path / "model")}, **SHORT))
    training = Training(plan, Accelerator(cpu=True))
    assert training.validation_point()["validation_loss"] == shown[0]


def test_without_an_average_there_is_none_in_a_checkpoint(inputs: TrainingInputs, tmp_path: Path) -> None:
    train([*inputs.arguments(tmp_path), "--max-steps", "2"])
    (run,) = (tmp_path / "runs" / "model").iterdir()
    assert not any("average" in name for name in load_file(run / "step-00000002" / "optimizer.safetensors"))


# From GPT-2's own first weights some gradients are above 2, and overflow at the largest scale that fp32 has.
SCALED = SHORT | {"ema_decay": 0.9, "initialization": "normal"}


def scaled(inputs: TrainingInputs, folder: Path, scale: float) -> Training:
    """A training whose loss is scaled as in fp16, which accelerate offers on GPUs alone."""
    accelerator = Accelerator(cpu=True)
    accelerator.scaler = GradScaler("cpu", init_scale=scale, growth_interval=3)
    return Training(plan_of(inputs.arguments(folder, "causal", **SCALED)), accelerator)


class Unseen:
    """A console that shows nothing."""

    seconds = 0.0

    def advance(self, point: object) -> None: ...

    def say(self, text: str) -> None: ...


class NoSignal:
    """No signal has come."""

    number = None


def test_a_scaled_loss_is_the_same_steps_but_for_those_that_overflow(inputs: TrainingInputs, tmp_path: Path) -> None:
    """A scale is a power of two, by which fp32 multiplies exactly."""
    plain = Training(plan_of(inputs.arguments(tmp_path / "plain", **SCALED)), Accelerator(cpu=True))
    gentle, wild = scaled(inputs, tmp_path / "gentle", 2.0**10), scaled(inputs, tmp_path / "wild", 2.0**127)
    for training in (plain, gentle, wild):
        training.run(Unseen(), NoSignal())  # type: ignore[arg-type]
    assert [p["loss"] for p in plain.progress.history if "loss" in p] == [
        p["loss"] for p in gentle.progress.history if "loss" in p
    ]
    assert (plain.progress.skipped_steps, gentle.progress.skipped_steps) == (0, 0)
    assert 0 < wild.progress.skipped_steps < 12
    resumed = scaled(inputs, tmp_path / "wild", 1.0)
    assert resumed.progress.skipped_steps == wild.progress.skipped_steps
    assert resumed.learner.scale.state() == wild.learner.scale.state()


def test_scaled_and_interrupted_it_goes_on_as_undisturbed(inputs: TrainingInputs, tmp_path: Path) -> None:
    straight = scaled(inputs, tmp_path / "straight", 2.0**127)
    straight.run(Unseen(), NoSignal())  # type: ignore[arg-type]
    arguments = inputs.arguments(tmp_path / "resumed", "causal", **SCALED)
    for flags in (["--max-steps", "6"], []):  # while the scale is falling
        accelerator = Accelerator(cpu=True)
        accelerator.scaler = GradScaler("cpu", init_scale=2.0**127, growth_interval=3)
        resumed = Training(plan_of([*arguments, *flags]), accelerator)
        resumed.run(Unseen(), NoSignal())  # type: ignore[arg-type]
    assert resumed.progress.skipped_steps == straight.progress.skipped_steps > 0
    assert all(
        torch.equal(one, other)
        for one, other in zip(straight.learner.model.parameters(), resumed.learner.model.parameters(), strict=True)
    )


def test_fp16_is_refused_where_there_is_no_gpu(inputs: TrainingInputs, tmp_path: Path) -> None:
    done = train(inputs.arguments(tmp_path, mixed_precision="fp16"), status=2)
    assert "pretrain.causal.mixed_precision: fp16 needs a GPU, and there is none; write auto" in done.stderr


@pytest.mark.slow
def test_a_model_of_the_hub_is_trained_further_and_resumed_when_the_hub_is_gone(
    inputs: TrainingInputs, tmp_path: Path
) -> None:
    make_stock(tmp_path / "stock", "gpt2", inputs.tokenizer)
    torch.save({}, tmp_path / "stock" / "pytorch_model.bin")
    (tmp_path / "stock" / "modeling_evil.py").write_text("raise SystemExit\n")
    init = {"from": "someone/stock", "revision": "v1"}
    command = [sys.executable, "-m", "train", *inputs.arguments(tmp_path / "run", init=init, **OPEN, **SHORT)]
    options: dict[str, Any] = {"cwd": ROOT, "capture_output": True, "text": True, "check": False}
    with hub_server({"someone/stock": tmp_path / "stock"}) as (address, requests):
        env = environment(**hub_environment(address, tmp_path / "home"))
        first = subprocess.run([*command, "--max-steps", "4"], env=env, **options)
        assert first.returncode == 0, first.stderr
        assert "from the weights of someone/stock" in first.stderr
    assert not any(request.endswith((".bin", ".py")) for request in requests)
    again = subprocess.run(command, env=env, **options)
    assert again.returncode == 0, again.stderr
    assert "from step 4" in again.stderr
    told = record(tmp_path / "run")["init"]
    assert (told["from"], told["revision"]) == ("someone/stock", COMMIT)
    assert "base_model: someone/stock" in (tmp_path / "run" / "model" / "README.md").read_text()
    unknown = [word.replace("v1", "v9") for word in command]
    shutil.rmtree(tmp_path / "home")
    params = tmp_path / "run" / "params.yaml"
    params.write_text(params.read_text().replace("revision: v1", "revision: v9"))
    with hub_server({"someone/stock": tmp_path / "stock"}) as (address, _):
        refused = subprocess.run(unknown, env=env | {"HF_ENDPOINT": address}, **options)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].endswith(
        "someone/stock: the hub has no revision v9 of it; name a commit, tag or branch"
    )
