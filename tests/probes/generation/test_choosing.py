"""Choosing the next token: greedy is the likeliest; what is drawn follows the probabilities, and one seed one text."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from probes.generation import continue_prompts
from probes.generation.choosing import Decoding, NextTokens

IDS = torch.zeros(1, 1, dtype=torch.long)
LOGITS = torch.tensor([0.0, 1.0, 3.0, -2.0, float("-inf"), 2.5])
LOGIT_ROWS = arrays.arrays(np.float32, st.integers(2, 30), elements=st.floats(-20, 20, width=32))


def drawn(decoding, logits, times):
    """Ids drawn one after another by one generator."""
    choose = NextTokens(decoding, [[1, 2]])
    return [int(choose(IDS, logits[None])[0]) for _ in range(times)]


def shares(logits):
    return logits.double().softmax(-1).numpy()


def test_what_is_drawn_follows_the_models_probabilities():
    counts = np.bincount(drawn(Decoding(temperature=1.0), LOGITS, 4000), minlength=6) / 4000
    assert counts == pytest.approx(shares(LOGITS), abs=4 * np.sqrt(0.25 / 4000))
    assert counts[4] == 0


def test_temperature_divides_the_logits():
    counts = np.bincount(drawn(Decoding(temperature=0.5), LOGITS, 4000), minlength=6) / 4000
    assert counts == pytest.approx(shares(LOGITS / 0.5), abs=4 * np.sqrt(0.25 / 4000))


@given(LOGIT_ROWS, st.integers(1, 40), st.integers(0, 5))
def test_top_k_draws_from_the_k_likeliest(logits, k, seed):
    ids = drawn(Decoding(temperature=1.0, top_k=k, seed=seed), torch.from_numpy(logits), 5)
    least = np.sort(logits)[::-1][min(k, len(logits)) - 1]
    assert all(logits[i] >= least for i in ids)


@given(LOGIT_ROWS, st.floats(0.01, 1), st.integers(0, 5))
def test_top_p_draws_from_the_fewest_that_hold_that_probability(logits, p, seed):
    ids = drawn(Decoding(temperature=1.0, top_p=p, seed=seed), torch.from_numpy(logits), 5)
    probabilities = shares(torch.from_numpy(logits))
    for i in ids:
        assert probabilities[probabilities > probabilities[i]].sum() < p + 1e-4


@given(LOGIT_ROWS, st.integers(1, 30), st.floats(0.01, 1))
def test_greedy_takes_the_likeliest_whatever_else_is_asked_for(logits, k, p):
    assert drawn(Decoding(0.0, k, p), torch.from_numpy(logits), 1) == [int(logits.argmax())]


def test_the_same_seed_gives_the_same_text_and_another_seed_another(causal):
    def texts(prompts, seed):
        return [one.ids for one in continue_prompts(causal, prompts, 12, Decoding(temperature=1.0, seed=seed))]

    first = texts(["The river", "Bees"], 1)
    assert texts(["The river", "Bees"], 1) == first
    assert texts(["Bees", "Copper turns", "The river"], 1)[::2] == first[::-1]
    assert texts(["The river", "Bees"], 2) != first
