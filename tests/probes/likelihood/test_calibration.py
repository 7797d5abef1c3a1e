"""Bins hold equally many tokens, and a model that is right as often as it is sure has no error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.likelihood.calibration import as_csv, calibrate, describe

GUESSES = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80)


@given(guesses=GUESSES, bins=st.integers(1, 12))
def test_bins_of_equal_mass_hold_every_token_once(guesses, bins):
    sure, right = np.array([one for one, _ in guesses]), np.array([hit for _, hit in guesses])
    found = calibrate(sure, right, bins)
    sizes = [one.right.trials for one in found.bins]
    assert sum(sizes) == len(guesses)
    assert max(sizes) - min(sizes) <= 1
    assert 0 <= found.expected_error <= 1
    for one, after in zip(found.bins, [*found.bins[1:], None], strict=True):
        assert one.lowest <= one.confidence <= one.highest
        assert after is None or one.highest <= after.lowest
    assert as_csv(found).count("\n") == len(found.bins) + 1
    assert describe(found).count("\n") == len(found.bins) + 1


def test_the_error_is_the_mean_distance_between_sure_and_right():
    sure = np.array([0.5] * 10 + [0.9] * 10)
    exact = np.array([True] * 5 + [False] * 5 + [True] * 9 + [False])
    assert calibrate(sure, exact, bins=2).expected_error == pytest.approx(0)
    assert calibrate(sure, np.ones(20, np.bool_), bins=2).expected_error == pytest.approx((0.5 + 0.1) / 2)
    assert calibrate(sure, np.zeros(20, np.bool_), bins=1).expected_error == pytest.approx(0.7)
