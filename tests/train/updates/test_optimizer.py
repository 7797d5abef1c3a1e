"""Each parameter has its update: orthogonal steps, a rate that depends on the step alone, a state that is stored."""

import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

from tests.helpers.training import SHAPE, TOKENIZER, make_settings
from train.model.build import build
from train.settings import Objective
from train.updates.optimizer import (
    MOMENTUM,
    Muon,
    Optimizers,
    _by_gram,
    _iterated,
    dtype_of_products,
    hidden_matrices,
    learning_rate,
    orthogonalize,
)

SCHEDULES = ("linear", "cosine", "wsd")


@given(schedule=st.sampled_from(SCHEDULES), warmup=st.floats(0, 0.5), final=st.floats(0, 1), steps=st.integers(2, 500))
def test_the_rate_rises_over_the_warmup_and_then_never_again(
    schedule: str, warmup: float, final: float, steps: int
) -> None:
    settings = make_settings(
        "causal", schedule=schedule, warmup_fraction=warmup, final_lr_fraction=final, learning_rate=0.5
    )
    rates = [learning_rate(step, steps, settings) for step in range(1, steps + 1)]
    top = max(1, round(warmup * steps))
    assert rates[:top] == sorted(rates[:top])
    assert rates[top - 1 :] == sorted(rates[top - 1 :], reverse=True)
    assert max(rates) == pytest.approx(0.5)
    assert all(rate > 0 for rate in rates)
    assert rates[-1] >= 0.5 * final * (1 - 1e-9)


def test_linear_decay_without_warmup_is_that_of_transformers() -> None:
    settings = make_settings("causal", schedule="linear", warmup_fraction=0.0, final_lr_fraction=0.0, learning_rate=1.0)
    assert [learning_rate(step, 4, settings) for step in (1, 2, 3, 4)] == [1.0, 0.75, 0.5, 0.25]


def test_wsd_holds_the_rate_for_four_fifths_and_cosine_is_halfway_in_the_middle() -> None:
    wsd = make_settings("causal", schedule="wsd", warmup_fraction=0.0, final_lr_fraction=0.0, learning_rate=1.0)
    assert [learning_rate(step, 100, wsd) for step in (1, 81)] == pytest.approx([1.0, 1.0])
    assert learning_rate(91, 100, wsd) == pytest.approx(0.5)
    cosine = wsd.model_copy(update={"schedule": "cosine", "final_lr_fraction": 0.2})
    assert learning_rate(51, 100, cosine) == pytest.approx(0.6)
    constant = wsd.model_copy(update={"schedule": "constant", "final_lr_fraction": 1.0})
    assert {learning_rate(step, 100, constant) for step in range(1, 101)} == {1.0}


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 16, 4), (2, 4, 16), (1, 6, 1)])
def test_orthogonalized_matrices_have_singular_values_near_one_and_the_same_singular_vectors(
    shape: tuple[int, int, int],
) -> None:
    torch.manual_seed(0)
    matrices = torch.randn(shape, dtype=torch.float64)
    result = orthogonalize(matrices)
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    new_values = torch.linalg.svdvals(result)
    well = values > 0.05 * values.max()  # four iterations do not bring the smallest all the way
    assert new_values.max() < 1.6
    assert new_values[well.sort(descending=True).values].min() > 0.3
    diagonal = left.mT @ result @ right.mT
    assert torch.allclose(diagonal, torch.diag_embed(torch.diagonal(diagonal, dim1=1, dim2=2)), atol=1e-9)


@given(rows=st.integers(1, 12), times=st.integers(2, 5), small=st.floats(0, 1), seed=st.integers(0, 99))
def test_the_products_of_the_small_matrix_alone_give_what_the_iteration_gives(
    rows: int, times: int, small: float, seed: int
) -> None:
    matrices = torch.randn(2, rows, times * rows, generator=torch.Generator().manual_seed(seed))
    matrices[:, 0] *= small  # down to a row of zeros
    x = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7) / 1.01
    assert torch.allclose(_by_gram(x), _iterated(x), atol=2e-3)


@pytest.mark.parametrize(("objective", "per_block", "others"), [("causal", 4, 0), ("masked", 6, 1)])
def test_muon_takes_the_matrices_inside_the_blocks_and_no_table(
    objective: Objective, per_block: int, others: int
) -> None:
    model = build(objective, make_settings(objective, **SHAPE), TOKENIZER, 24)
    names = [matrix.name for matrix in hidden_matrices(model)]
    assert len(names) == 2 * per_block + others
    assert not any("embeddings" in name or "wte" in name or "wpe" in name or "decoder" in name for name in names)


def test_muon_takes_all_seven_matrices_of_a_llamas_block() -> None:
    model = build("causal", make_settings("causal", **SHAPE, architecture="llama"), TOKENIZER, 24)
    names = [matrix.name for matrix in hidden_matrices(model)]
    assert len(names) == 2 * 7
    assert all(name.startswith("model.layers.") for name in names)


def test_gpt2s_fused_query_key_value_is_three_matrices_of_outputs_by_inputs() -> None:
    model = build("causal", make_settings("causal", **SHAPE), TOKENIZER, 24)
    by_name = {matrix.name.split("h.0.")[-1]: matrix for matrix in hidden_matrices(model) if ".h.0." in matrix.name}
    shapes = {name: [tuple(v.shape) for v in matrix.views(matrix.parameter)] for name, matrix in by_name.items()}
    assert shapes["attn.c_attn.weight"] == [(16, 16)] * 3
    assert shapes["mlp.c_fc.weight"] == [(64, 16)]
    assert shapes["mlp.c_proj.weight"] == [(16, 64)]


def test_a_muon_step_is_the_orthogonalized_nesterov_momentum() -> None:
    model = build("masked", make_settings("masked", **SHAPE), TOKENIZER, 24)
    matrix = next(m for m in hidden_matrices(model) if m.name.endswith("intermediate.dense.weight"))
    before = matrix.parameter.detach().clone()
    gradient = torch.randn_like(before)
    matrix.parameter.grad = gradient.clone()
    Muon([matrix], lr=0.1, weight_decay=0.5).step()
    momentum = (1 - MOMENTUM) * gradient
    direction = orthogonalize(((1 - MOMENTUM) * gradient + MOMENTUM * momentum)[None])[0]
    expected = before * (1 - 0.1 * 0.5) - 0.1 * math.sqrt(64 / 16) * direction
    assert torch.allclose(matrix.parameter.detach(), expected, atol=1e-5)


def train_a_little(model: torch.nn.Module, optimizers: Optimizers, steps: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for parameter in model.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizers.step(0.01)


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_a_stored_state_goes_on_exactly_as_if_it_had_never_been_stored(name: str) -> None:
    settings = make_settings("causal", **SHAPE, optimizer=name, weight_decay=0.1)
    straight, broken = (build("causal", settings, TOKENIZER, 24) for _ in range(2))
    optimizers = Optimizers(straight, settings)
    train_a_little(straight, optimizers, 3, seed=1)
    stored = load(save({key: value.contiguous() for key, value in optimizers.state().items()}))
    broken.load_state_dict(straight.state_dict())
    taken_up = Optimizers(broken, settings)
    taken_up.load(stored)
    train_a_little(straight, optimizers, 2, seed=2)
    train_a_little(broken, taken_up, 2, seed=2)
    for (key, ours), theirs in zip(straight.named_parameters(), broken.parameters(), strict=True):
        assert torch.equal(ours, theirs), key


def test_beside_muon_adamw_moves_at_its_share_of_the_rate_and_alone_at_all_of_it() -> None:
    def moved(name: str) -> float:
        settings = make_settings("causal", **SHAPE, optimizer=name, adamw_lr_fraction=0.25)
        model = build("causal", settings, TOKENIZER, 24)
        table = model.transformer.wte.weight
        before = table.detach().clone()
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        Optimizers(model, settings).step(0.1)
        return float((before - table.detach()).mean())

    assert moved("adamw") == pytest.approx(0.1, rel=1e-4)  # AdamW's first step is the rate itself
    assert moved("muon") == pytest.approx(0.025, rel=1e-4)


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_all_parameters_are_updated_and_gains_and_biases_are_not_decayed(name: str) -> None:
    settings = make_settings("causal", **SHAPE, optimizer=name, weight_decay=1.0, adamw_lr_fraction=1.0)
    model = build("causal", settings, TOKENIZER, 24)
    optimizers = Optimizers(model, settings)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0)
            parameter.grad = torch.zeros_like(parameter)
    optimizers.step(0.1)
    for key, parameter in model.named_parameters():
        expected = 0.9 if parameter.ndim == 2 else 1.0
        assert torch.allclose(parameter, torch.tensor(expected)), key
    assert all(parameter.grad is None for parameter in model.parameters())


@given(seed=st.integers(0, 99))
def test_in_bf16_matrices_are_orthogonalized_as_in_fp32_to_its_precision(seed: int) -> None:
    matrices = torch.randn(2, 16, 48, generator=torch.Generator().manual_seed(seed))
    expected = orthogonalize(matrices)
    apart = (orthogonalize(matrices.bfloat16()).float() - expected).norm() / expected.norm()
    assert apart < 0.1


def test_matrices_are_orthogonalized_in_bf16_where_a_device_has_units_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    parameter = torch.ones(2, 2)
    assert dtype_of_products(parameter) == torch.float32
    on_gpu = SimpleNamespace(is_cuda=True, device=torch.device("cuda", 0), dtype=torch.float32)
    for capability, dtype in (((7, 0), torch.float32), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, known=capability: known)
        assert dtype_of_products(on_gpu) == dtype  # type: ignore[arg-type]
