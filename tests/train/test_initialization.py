"""BERT's first weights, where they are set: heads that look at neighbors, and an output of the tokens' frequencies."""

import numpy as np
import pytest
import torch

from tests.helpers.training import TOKENIZER, make_settings
from train.initialization import look_at_neighbors, token_counts
from train.model import build

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
    monkeypatch.setattr("train.initialization.COUNTED_ROWS", 4)
    assert token_counts(rows, 10).tolist() == [2, 0, 2, 0, 2, 0, 2, 0, 0, 4]
    assert token_counts(Stack(np.empty((0, 3), dtype=np.int64)), 10).tolist() == [0] * 10
