"""First weights, where they are set: heads that look at neighbors, and an output of the tokens' frequencies."""

import numpy as np
import pytest
import torch

from tests.helpers.training import TOKENIZER, make_settings
from train.model.build import build
from train.model.initialization import initialize, look_at_neighbors, start_at_frequencies, token_counts

TOKENS = 64


def made(heads=4, width=64, seed=0):
    model = build("masked", make_settings("masked", layers=1, heads=heads, width=width, seed=seed), TOKENIZER, TOKENS)
    counts = np.arange(TOKENIZER.vocab_size)
    look_at_neighbors(model, counts)
    return model.eval(), counts


def test_each_head_of_the_first_block_looks_at_a_place_of_its_own_beside_the_token():
    model, _ = made()
    model.set_attn_implementation("eager")
    ids = torch.randint(0, TOKENIZER.vocab_size, (8, TOKENS), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        weights = model(ids, output_attentions=True).attentions[0]  # [rows, heads, tokens, tokens]
    inner = torch.arange(2, TOKENS - 2)
    for head, offset in enumerate((-1, 1, -2, 2)):
        assert weights[:, head, inner, inner + offset].mean() > 0.6, offset


def test_without_a_context_the_output_is_the_tokens_frequencies():
    model, counts = made()
    shares = model.cls.predictions.bias.detach().softmax(0).numpy()
    np.testing.assert_allclose(shares, (counts + 0.5) / (counts + 0.5).sum(), rtol=1e-4)


@pytest.mark.parametrize(("layers", "heads", "width"), [(1, 4, 64), (3, 1, 9)])
def test_whatever_it_reads_gpt2_first_guesses_about_the_tokens_frequencies(layers, heads, width):
    model = build("causal", make_settings("causal", layers=layers, heads=heads, width=width), TOKENIZER, TOKENS).eval()
    counts = np.arange(TOKENIZER.vocab_size) ** 2
    start_at_frequencies(model, counts)
    ids = torch.randint(0, TOKENIZER.vocab_size, (4, TOKENS), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = model(ids).logits.log_softmax(-1)
    shares = torch.from_numpy((counts + 0.5) / (counts + 0.5).sum()).log()
    assert (logits - shares).abs().mean() < 0.2  # nats; from GPT-2's own first weights 1.4
    assert (logits - shares).abs().max() < 1.5  # and up to 12


def test_rows_set_the_first_weights_of_both_models_and_leave_the_head_tied():
    rows = Stack(np.arange(128).reshape(2, 64))
    for objective in ("causal", "masked"):
        model = build(objective, make_settings(objective, layers=1, heads=4, width=64), TOKENIZER, TOKENS)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        initialize(model, rows)
        assert any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())
        assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_the_weights_are_a_function_of_the_seed():
    first, again, other = (made(seed=seed)[0].state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert any(not torch.equal(value, other[name]) for name, value in first.items())


@pytest.mark.parametrize(("heads", "width"), [(1, 9), (9, 9), (3, 15), (2, 8), (16, 32)])
def test_any_shape_that_the_settings_allow_gets_finite_weights(heads, width):
    model, _ = made(heads, width)
    assert all(bool(value.isfinite().all()) for value in model.state_dict().values())


class Stack:
    """Rows as training reads them."""

    def __init__(self, rows):
        self.rows = np.asarray(rows)

    def __len__(self):
        return len(self.rows)

    def take(self, indices):
        return self.rows[indices]


def test_tokens_are_counted_in_all_rows_or_in_some_evenly_spread(monkeypatch):
    rows = Stack([[number, number, 9] for number in range(8)])
    assert token_counts(rows, 10).tolist() == [2] * 8 + [0, 8]
    monkeypatch.setattr("train.model.initialization.COUNTED_ROWS", 4)
    assert token_counts(rows, 10).tolist() == [2, 0, 2, 0, 2, 0, 2, 0, 0, 4]
    assert token_counts(Stack(np.empty((0, 3), dtype=np.int64)), 10).tolist() == [0] * 10
