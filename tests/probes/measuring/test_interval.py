"""Intervals hold their share, and agree with what is published of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.measuring.interval import bootstrap, wilson


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
