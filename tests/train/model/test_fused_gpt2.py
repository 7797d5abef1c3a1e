"""A GPT-2 that attends by a kernel learns and writes what it would without."""

from types import SimpleNamespace

import pytest
import torch

import train.model.loss
from tests.helpers.kernels import distances
from tests.helpers.training import SHAPE, TOKENIZER, make_settings
from train.model.build import build
from train.model.compiling import has_kernels
from train.model.loss import SummedLoss


@pytest.mark.slow
def test_with_kernels_it_learns_and_writes_the_same_and_where_attention_drops_out_torch_attends() -> None:
    found = distances("model")
    assert found["none"] == {"apart": pytest.approx(0, abs=5e-3), "with kernels": SHAPE["layers"], "without": 0}
    assert found["some"]["apart"] < 5e-3


def test_only_a_compiled_gpt2_of_the_usual_kind_attends_by_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(backend: str | None, **config: object) -> bool:
        settings = make_settings("causal", **SHAPE | {"width": config.pop("width", 32)})
        model = build("causal", settings, TOKENIZER, 24)
        model.config.update(config)
        SummedLoss(model, "causal", backend)
        return "forward" in vars(model.transformer.h[0].attn)

    monkeypatch.setattr(train.model.loss, "has_kernels", lambda device: True)
    assert changed("eager")
    assert not changed(None)
    assert not changed("eager", width=256)  # heads of 128
    assert not changed("eager", scale_attn_by_inverse_layer_idx=True)
    assert not changed("eager", scale_attn_weights=False)
    assert not changed("eager", reorder_and_upcast_attn=True)


@pytest.mark.parametrize(("capability", "known"), [((9, 0), True), ((8, 0), True), ((7, 5), False)])
def test_kernels_are_for_gpus_that_compute_in_bf16_and_have_triton(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], known: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(train.model.compiling, "find_spec", lambda name: SimpleNamespace())
    assert has_kernels(torch.device("cuda", 0)) == known
    assert not has_kernels(torch.device("cpu"))
    with monkeypatch.context() as amd:
        amd.setattr(torch.version, "hip", "6.4")
        assert not has_kernels(torch.device("cuda", 0))
    monkeypatch.setattr(train.model.compiling, "find_spec", lambda name: None)
    assert not has_kernels(torch.device("cuda", 0))
