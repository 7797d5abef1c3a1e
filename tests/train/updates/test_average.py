"""The average of the weights is the exponential one, learns fast at first, and is lent without a trace."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from train.updates.average import Average, decay_of


@given(step=st.integers(1, 10**6), decay=st.floats(0.01, 0.9999))
def test_little_of_the_first_weights_is_left_after_a_few_steps(step: int, decay: float) -> None:
    assert 0 < decay_of(step, decay) <= decay
    assert decay_of(step, decay) <= decay_of(step + 1, decay)
    assert decay_of(1, 0.999) == pytest.approx(2 / 11)
    assert decay_of(10_000, 0.999) == 0.999


@settings(deadline=None)
@given(values=st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=8), decay=st.floats(0.1, 0.999))
def test_it_is_the_weighted_mean_of_the_weights_after_each_step(values: list[float], decay: float) -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(2.0)
    average, expected = Average(model, decay), 2.0
    for step, value in enumerate(values, start=1):
        model.weight.data.fill_(value)
        average.update(step)
        expected = decay_of(step, decay) * expected + (1 - decay_of(step, decay)) * value
    assert model.weight.item() == values[-1]
    with average.in_place():
        assert model.weight.item() == pytest.approx(expected, abs=1e-4)
    assert model.weight.item() == values[-1]
    [stored] = average.state().values()
    assert stored.item() == pytest.approx(expected, abs=1e-4)


def test_the_weights_are_back_after_an_error() -> None:
    model = torch.nn.Linear(1, 1)
    average = Average(model, 0.5)
    model.weight.data.fill_(3.0)
    with pytest.raises(KeyError), average.in_place():
        raise KeyError
    assert model.weight.item() == 3.0


def test_without_a_decay_there_is_nothing_to_keep_and_nothing_is_taken() -> None:
    average = Average(torch.nn.Linear(1, 1), None)
    average.update(1)
    assert average.state() == {}
    assert average.load({"weight/exp_avg": torch.ones(1)}).keys() == {"weight/exp_avg"}
