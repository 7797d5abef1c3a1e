"""The loss of a token is what transformers' own loss is the mean of, whatever the batch."""

import numpy as np
import pytest
import torch

from probes.measuring import hidden_token_losses, next_token_losses
from probes.model.device import NUMBERS_AT_A_TIME
from tests.helpers.shards import make_rows


@pytest.fixture(scope="module")
def rows(tiny):
    return make_rows(tiny / "tokenizer", 5)


@pytest.fixture(params=[1, 2**25], ids=["a row at a time", "all at once"])
def at_a_time(request, monkeypatch):
    monkeypatch.setitem(NUMBERS_AT_A_TIME, "cpu", request.param)


def test_the_next_tokens_losses_have_the_mean_that_transformers_gives(causal, rows, at_a_time):
    found = next_token_losses(causal, rows)
    ids = torch.from_numpy(rows)
    with torch.no_grad():
        expected = float(causal.model(input_ids=ids, labels=ids).loss)
    assert found.shape == (5, rows.shape[1] - 1)
    assert float(found.mean()) == pytest.approx(expected, rel=1e-5)


def test_the_hidden_tokens_losses_have_the_mean_that_transformers_gives(masked, rows, at_a_time):
    hidden = np.zeros(rows.shape, dtype=bool)
    hidden[:, [3, 7, 20]] = True
    found = hidden_token_losses(masked, rows, hidden)
    labels = torch.from_numpy(np.where(hidden, rows, -100))
    shown = torch.from_numpy(np.where(hidden, masked.tokenizer.mask_token_id, rows))
    with torch.no_grad():
        expected = float(masked.model(input_ids=shown, attention_mask=torch.ones_like(shown), labels=labels).loss)
    assert found.shape == (15,)
    assert float(found.mean()) == pytest.approx(expected, rel=1e-5)
