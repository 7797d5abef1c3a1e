"""A loss in fp16 is scaled so that small gradients survive; a step whose gradients overflow is skipped as a whole."""

import pytest
import torch
from torch import Tensor
from torch.amp import GradScaler

from tests.helpers.training import SHAPE, TOKENIZER, make_settings
from train.model.build import build
from train.model.loss import SummedLoss
from train.updates.loss_scale import LossScale
from train.updates.optimizer import Optimizers

ROWS = torch.arange(48).reshape(2, 24)


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    return ROWS, torch.arange(48).view(2, 24)[:, :-1].flatten(), ROWS[:, 1:].flatten()


def made(scale: float | None) -> tuple[SummedLoss, Optimizers, LossScale]:
    """A small GPT-2, with both optimizers, whose loss is scaled."""
    settings = make_settings("causal", **SHAPE, optimizer="muon", weight_decay=0.1)
    model = build("causal", settings, TOKENIZER, 24)
    optimizers = Optimizers(model, settings)
    scaler = None if scale is None else GradScaler("cpu", init_scale=scale)
    return SummedLoss(model, "causal"), optimizers, LossScale(scaler, optimizers)


def weights(loss: SummedLoss) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in loss.parameters()])


def test_an_overflow_skips_both_optimizers_and_halves_the_scale() -> None:
    loss, _, scale = made(2.0**16)
    before = weights(loss).clone()
    scale.scaled(loss(*inputs())).backward()
    for parameter in loss.parameters():
        parameter.grad = torch.ones_like(parameter)
    next(loss.parameters()).grad.view(-1)[0] = float("inf")  # type: ignore[union-attr]
    scale.unscale()
    assert not scale.update(0.1)
    assert torch.equal(weights(loss), before)
    assert all(parameter.grad is None for parameter in loss.parameters())
    assert scale.state()["scale"] == 2.0**15


def test_gradients_are_of_their_own_size_when_they_are_clipped() -> None:
    gradients = []
    for factor in (None, 2.0**12):
        loss, _, scale = made(factor)
        scale.scaled(loss(*inputs())).backward()
        scale.unscale()
        gradients.append(torch.cat([p.grad.flatten() for p in loss.parameters() if p.grad is not None]))
    assert torch.equal(*gradients)


def test_in_fp16_a_model_learns_what_it_learns_in_fp32() -> None:
    ends = []
    for factor, dtype in ((None, None), (2.0**16, torch.float16)):
        loss, _, scale = made(factor)
        for _ in range(8):
            with torch.autocast("cpu", dtype=dtype, enabled=dtype is not None):
                value = loss(*inputs())
            scale.scaled(value / 46).backward()
            scale.unscale()
            assert scale.update(0.02) or dtype
        ends.append(value.item() / 46)
    assert ends[1] == pytest.approx(ends[0], rel=0.05)
    assert ends[1] < 5.5


def test_what_is_kept_of_a_scale_is_all_that_it_goes_on_from() -> None:
    _, _, scale = made(2.0**9)
    _, _, other = made(2.0**16)
    other.load(scale.state())
    assert other.state() == scale.state()
    _, _, none = made(None)
    assert none.state() == {}
    none.load({})
