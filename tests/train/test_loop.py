"""A step waits for nothing: it reads no number from the device, and sends it none that is waited for."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

import train.model.loss
from tests.helpers.training import planned
from train.loop import Training
from train.rows.feed import Part
from train.settings import OBJECTIVES, Objective

# What reads a value from the device, or a size that depends on values; and what makes a tensor of numbers in Python.
READ = {"_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "unique", "_unique2", "bincount"}
SENT = {"lift_fresh", "lift_fresh_copy"}
ONE_STEP = {"gradient_accumulation": 2, "clip_norm": 1.0, "dropout": 0.0}


class NoWaiting(TorchDispatchMode):
    """Makes an error of each operation that the host waits for the device in."""

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), options: dict[str, Any] | None = None
    ) -> Any:
        name, options = function._schema.name.removeprefix("aten::"), options or {}
        assert name not in READ | SENT, f"the host waits for {name}"
        to = options.get("device")
        copied = name in ("_to_copy", "copy_") and not options.get("non_blocking")
        inputs = [tensor for tensor in arguments if isinstance(tensor, torch.Tensor)]
        devices = {tensor.device.type for tensor in inputs} | ({to.type} if to is not None else set())
        assert not (copied and len(devices) > 1), f"the host waits for a copy between {devices}"
        return function(*arguments, **options)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_no_operation_of_a_step_reads_a_value(tiny: Path, tmp_path: Path, objective: Objective, optimizer: str) -> None:
    plan = planned(tiny, tmp_path, objective, optimizer=optimizer, **ONE_STEP)
    training = Training(plan, Accelerator(cpu=True))
    training._step(1)  # in which optimizers make their state
    parts = training.feed.training_parts(2)
    training.prefetch.parts = lambda step: parts  # type: ignore[method-assign]
    with NoWaiting():
        training._step(2)
    training._read_losses()
    assert len(training.progress.losses) == 2


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_step_on_a_gpu_moves_nothing_between_host_and_device(
    tiny: Path, tmp_path: Path, objective: Objective, optimizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a device that is not there: tensors say what they would be, and hold nothing.

    Autograd asks for the device itself, so gradients are given; the test above has seen its operations.
    """
    monkeypatch.setattr(torch.nn.Module, "to", lambda module, *where: module)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(train.model.loss, "targets_at_a_time", lambda *given: 16)
    # Not `neighbors`, whose first weights would be made on the CPU here if transformers has loaded a model before: it
    # replaces `torch.linspace` for a while, and torch remembers that one.
    plan = planned(tiny, tmp_path, objective, optimizer=optimizer, **ONE_STEP, initialization="normal")
    device = torch.device("cuda", 0)
    alone = SimpleNamespace(
        device=torch.device("cpu"), num_processes=1, process_index=0, scaler=None, is_main_process=True,
        prepare_model=lambda model: model, no_sync=lambda model: nullcontext(),
    )  # fmt: skip
    with FakeTensorMode(allow_non_fake_inputs=True), device:
        training = Training(plan, alone)  # type: ignore[arg-type]
        alone.device = device

        def backward(loss: torch.Tensor) -> None:
            assert loss.device == device
            for parameter in training.learner.model.parameters():
                parameter.grad = torch.zeros_like(parameter)

        monkeypatch.setattr(torch.Tensor, "backward", backward)
        ids = torch.zeros(2, 32, dtype=torch.int64)
        places = torch.zeros(2 * 31, dtype=torch.int64)
        training.prefetch.parts = lambda step: [Part((ids, places, places), len(places))] * 2  # type: ignore[method-assign]
        assert {parameter.device for parameter in training.learner.model.parameters()} == {device}
        with NoWaiting():
            training._step(1)
            training._step(2)
