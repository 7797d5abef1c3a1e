"""Intervals hold their share, and agree with what is published of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.measuring.interval import _t_quantile, bca, bootstrap, bootstrap_mean, wilson


def test_wilsons_interval_is_the_published_one():
    assert (wilson(5, 10).low, wilson(5, 10).high) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert (wilson(0, 10).low, wilson(0, 10).high) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert (wilson(10, 10).low, wilson(10, 10).high) == pytest.approx((0.7225, 1.0), abs=1e-4)
    with pytest.raises(ValueError, match="no share"):
        wilson(0, 0)


@given(
    pairs=st.lists(
        st.integers(1, 20).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=30
    )
)
@settings(max_examples=60)
def test_an_interval_holds_its_share_and_stays_between_0_and_1(pairs):
    hits, trials = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    share = bootstrap(hits, trials, seed=1)
    assert 0 <= share.low <= share.value <= share.high <= 1
    assert share.high > share.low or len(set(zip(hits, trials, strict=True))) > 1
    assert share.value == pytest.approx(hits.sum() / trials.sum())
    assert share == bootstrap(hits, trials, seed=1)
    single = wilson(int(hits.sum()), int(trials.sum()))
    assert 0 <= single.low <= single.value <= single.high <= 1


def test_the_bootstrap_agrees_with_the_normal_approximation_where_that_holds():
    rng = np.random.default_rng(0)
    hits = rng.binomial(16, 0.4, size=400).astype(np.int64)
    share = bootstrap(hits, np.full(400, 16, dtype=np.int64), seed=0)
    spread = 1.96 * (hits / 16).std() / 20
    assert (share.low, share.high) == pytest.approx((share.value - spread, share.value + spread), abs=0.003)


def test_means_have_intervals_that_hold_them_and_none_where_all_values_are_one():
    values = np.random.default_rng(3).exponential(2.0, size=50)
    mean = bootstrap_mean(values, seed=0)
    assert mean.value == pytest.approx(values.mean())
    assert mean.low < mean.value < mean.high
    assert mean.high - mean.value > mean.value - mean.low, "the tail to the right is the longer one"
    assert bootstrap_mean(np.full(3, 1.5), seed=0).low == bootstrap_mean(np.array([1.5]), seed=0).high == 1.5
    with pytest.raises(ValueError, match="at least one"):
        bootstrap_mean(np.array([]), seed=0)


@given(values=st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12).filter(lambda values: len(set(values)) > 1))
@settings(max_examples=60)
def test_the_ends_of_an_interval_lie_among_the_values(values):
    low, high = bca(np.array(values), np.ones(len(values)), seed=0)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


def test_students_quantiles_are_the_published_ones():
    assert [_t_quantile(n) for n in (4, 9, 19, 37, 1000)] == pytest.approx(
        [2.776, 2.262, 2.093, 2.026, 1.962], rel=4e-3
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "share", "least"), [(20, 0.3, 0.93), (38, 0.1, 0.92), (38, 0.3, 0.93), (100, 0.1, 0.93)]
)
def test_intervals_of_few_rows_hold_the_truth_as_often_as_they_say(rows, share, least):
    rng, held, samples = np.random.default_rng(0), 0, 400
    for _ in range(samples):
        trials = rng.integers(14, 20, rows)
        hits = rng.binomial(trials, rng.beta(10 * share, 10 * (1 - share), rows))  # rows differ, as articles do
        found = bootstrap(hits, trials, seed=0)
        held += found.low <= share <= found.high
    assert least <= held / samples <= 0.98
