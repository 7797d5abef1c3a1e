"""The loss in pieces is the plain cross entropy, value and gradients, for both objectives."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import train.model.loss
from tests.helpers.training import SHAPE, TOKENIZER, make_settings
from train.model.build import build
from train.model.loss import SummedLoss, bert_states_at, linear_cross_entropy, targets_at_a_time
from train.plan.batch import IGNORED, Masking, causal_batch

Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def tensors(*, masked: bool, rows: int = 3, tokens: int = 24) -> Inputs:
    ids = np.random.default_rng(0).integers(0, 398, (rows, tokens))
    masking = Masking(0.3, 0, 400, 399, 398)
    batch = masking.batch(ids, np.zeros(rows, dtype=np.int64), np.arange(rows)) if masked else causal_batch(ids)
    return tuple(torch.from_numpy(part) for part in (batch.input_ids, batch.positions, batch.targets))  # type: ignore[return-value]


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("targets_at_once", [1, 3, 256])
def test_pieces_give_the_value_and_gradients_of_cross_entropy(
    monkeypatch: pytest.MonkeyPatch, targets_at_once: int, with_bias: bool
) -> None:
    monkeypatch.setattr(train.model.loss, "CPU_TARGETS", targets_at_once)
    torch.manual_seed(0)
    hidden = torch.randn(7, 8, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(50, 8, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(50, dtype=torch.float64, requires_grad=True) if with_bias else None
    targets = torch.randint(50, (7,))
    parameters = [tensor for tensor in (hidden, weight, bias) if tensor is not None]

    ours = linear_cross_entropy(hidden, weight, bias, targets)
    our_gradients = torch.autograd.grad(3 * ours, parameters)
    plain = F.cross_entropy(F.linear(hidden, weight, bias), targets, reduction="sum")
    gradients = torch.autograd.grad(3 * plain, parameters)

    assert ours.item() == pytest.approx(plain.item(), rel=1e-6)
    for our, gradient in zip(our_gradients, gradients, strict=True):
        assert torch.allclose(our, gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("targets_at_once", [3, 256])
def test_what_is_ignored_has_no_loss_and_no_gradient(
    monkeypatch: pytest.MonkeyPatch, targets_at_once: int, with_bias: bool
) -> None:
    monkeypatch.setattr(train.model.loss, "CPU_TARGETS", targets_at_once)
    torch.manual_seed(0)
    hidden = torch.randn(9, 8, requires_grad=True)
    weight = torch.randn(50, 8, requires_grad=True)
    bias = torch.randn(50, requires_grad=True) if with_bias else None
    targets = torch.randint(50, (9,))
    targets[[1, 8]] = IGNORED
    parameters = [tensor for tensor in (hidden, weight, bias) if tensor is not None]

    ours = linear_cross_entropy(hidden, weight, bias, targets)
    our_gradients = torch.autograd.grad(3 * ours, parameters)
    plain = F.cross_entropy(F.linear(hidden, weight, bias), targets, reduction="sum", ignore_index=IGNORED)
    gradients = torch.autograd.grad(3 * plain, parameters)

    assert ours.item() == pytest.approx(plain.item(), rel=1e-6)
    with torch.no_grad():
        assert linear_cross_entropy(hidden, weight, bias, targets).item() == pytest.approx(plain.item(), rel=1e-6)
    for our, gradient in zip(our_gradients, gradients, strict=True):
        assert torch.allclose(our, gradient, rtol=1e-4, atol=1e-5)
    assert not our_gradients[0][[1, 8]].any()


@pytest.mark.parametrize("vocabulary", [50, 64, 65])
@pytest.mark.parametrize("targets_at_once", [2, 256])
def test_a_padded_head_gives_the_same_loss_and_gradients_and_no_more_entries(
    monkeypatch: pytest.MonkeyPatch, targets_at_once: int, vocabulary: int
) -> None:
    monkeypatch.setattr(train.model.loss, "CPU_TARGETS", targets_at_once)
    torch.manual_seed(0)
    hidden, targets = torch.randn(7, 8, requires_grad=True), torch.randint(vocabulary, (7,))
    weight, bias = (10 * torch.randn(size) for size in ((vocabulary, 8), (vocabulary,)))
    head = (weight.requires_grad_(), bias.requires_grad_())

    def outcome() -> tuple[torch.Tensor, ...]:
        loss = linear_cross_entropy(hidden, *head, targets)
        return loss, *torch.autograd.grad(loss, (hidden, *head))

    expected = outcome()
    monkeypatch.setattr(train.model.loss, "MULTIPLE", {"cpu": 64})
    for ours, theirs in zip(outcome(), expected, strict=True):
        assert ours.shape == theirs.shape
        assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_what_alone_is_trained_gets_its_gradient() -> None:
    torch.manual_seed(0)
    tensors = torch.randn(7, 8), torch.randn(50, 8), torch.randn(50)
    targets = torch.randint(50, (7,))
    for number in range(3):
        inputs = [tensor.clone().requires_grad_(number == place) for place, tensor in enumerate(tensors)]
        hidden, weight, bias = inputs
        (ours,) = torch.autograd.grad(linear_cross_entropy(hidden, weight, bias, targets), inputs[number])
        plain = F.cross_entropy(F.linear(hidden, weight, bias), targets, reduction="sum")
        assert torch.allclose(ours, torch.autograd.grad(plain, inputs[number])[0], rtol=1e-4, atol=1e-5)


def test_no_targets_are_no_loss_and_no_gradient() -> None:
    hidden = torch.zeros(0, 8, requires_grad=True)
    weight = torch.ones(5, 8, requires_grad=True)
    loss = linear_cross_entropy(hidden, weight, None, torch.zeros(0, dtype=torch.int64))
    loss.backward()
    assert loss.item() == 0
    assert weight.grad is not None
    assert not weight.grad.any()


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_causal_loss_is_that_of_transformers(architecture: str) -> None:
    model = build("causal", make_settings("causal", **SHAPE, architecture=architecture), TOKENIZER, 24)
    ids, positions, targets = tensors(masked=False)
    theirs = F.cross_entropy(model(ids).logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    ours = SummedLoss(model, "causal")(ids, positions, targets) / len(targets)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)


def test_a_piece_on_a_cpu_is_as_long_at_any_vocabulary_so_that_the_head_is_read_once_per_256_targets() -> None:
    cpu, other = torch.device("cpu"), torch.device("meta")  # no CUDA device is asked: its memory depends on it
    assert targets_at_a_time(cpu, 9999, 400) == targets_at_a_time(cpu, 9999, 50257) == 256
    most = 2**33 // (8 * 8 * 50257)
    assert targets_at_a_time(other, most, 50257) == most
    assert targets_at_a_time(other, most + 1, 50257) == most // 2 + 1  # in two pieces, as long as each other
    assert targets_at_a_time(other, 2 * most, 50257, 4) == 2 * most
    assert targets_at_a_time(other, 7, 2**40) == 1
    assert targets_at_a_time(other, 0, 400) == 0


@pytest.mark.parametrize("layers", [1, 3])
def test_bert_at_some_places_is_bert_there(layers: int) -> None:
    model = build("masked", make_settings("masked", **SHAPE | {"layers": layers}), TOKENIZER, 24)
    ids, positions, _ = tensors(masked=True)
    whole = model.bert(ids).last_hidden_state.flatten(0, 1)
    assert torch.allclose(bert_states_at(model.bert, ids, positions), whole[positions], atol=1e-6)


def test_masked_loss_is_that_of_transformers_with_labels_at_the_masked_places() -> None:
    model = build("masked", make_settings("masked", **SHAPE), TOKENIZER, 24)
    ids, positions, targets = tensors(masked=True)
    labels = torch.full((ids.numel(),), -100).scatter(0, positions, targets).view_as(ids)
    theirs = model(ids, labels=labels).loss
    ours = SummedLoss(model, "masked")(ids, positions, targets) / len(targets)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)


@pytest.mark.parametrize("objective", ["causal", "masked"])
def test_every_parameter_gets_the_gradient_that_transformers_would_give_it(objective: str) -> None:
    masked = objective == "masked"
    model = build(objective, make_settings(objective, **SHAPE), TOKENIZER, 24)  # type: ignore[arg-type]
    ids, positions, targets = tensors(masked=masked)
    parameters = list(model.parameters())
    ours = torch.autograd.grad(SummedLoss(model, objective)(ids, positions, targets), parameters)  # type: ignore[arg-type]
    plain = F.cross_entropy(model(ids).logits.flatten(0, 1)[positions], targets, reduction="sum")
    for our, their in zip(ours, torch.autograd.grad(plain, parameters), strict=True):
        assert torch.allclose(our, their, rtol=1e-3, atol=1e-4)


def test_under_bf16_the_loss_stays_near_and_gradients_keep_the_weights_dtype() -> None:
    torch.manual_seed(0)
    hidden, weight = torch.randn(64, 32), torch.randn(100, 32, requires_grad=True)
    targets = torch.randint(100, (64,))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = linear_cross_entropy(hidden, weight, None, targets)
    (gradient,) = torch.autograd.grad(low, [weight])
    exact = F.cross_entropy(hidden @ weight.T, targets, reduction="sum")
    assert low.dtype == gradient.dtype == torch.float32
    assert low.item() == pytest.approx(exact.item(), rel=0.01)
