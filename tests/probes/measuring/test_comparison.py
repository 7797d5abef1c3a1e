"""A difference is tested by dealing articles anew, and an AUC is a share of pairs with an interval that has width."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.measuring import Counted, auc, permutation_test

scores = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=8)


def counted(hits, articles):
    return Counted(np.array(hits), np.full(len(hits), 10), np.array(articles))


def test_the_p_value_is_that_of_all_deals_where_these_can_be_listed():
    """Of the 20 ways to deal six articles by three, the observed one and its mirror are the most extreme: p is 0.1."""
    found = permutation_test(counted([10, 10, 10], [1, 2, 3]), counted([0, 0, 0], [4, 5, 6]), seed=0)
    assert found.value == 1.0
    assert found.p == pytest.approx(0.1, abs=0.01)


def test_rows_of_one_article_are_dealt_together():
    many = permutation_test(counted([10] * 9, range(9)), counted([0] * 9, range(9, 18)), seed=0)
    one = permutation_test(counted([10] * 9, [0] * 9), counted([0] * 9, [1] * 9), seed=0)
    assert many.p < 0.001
    assert one.p == 1.0, "two articles can be dealt in two ways, which are alike"


@given(st.lists(st.integers(0, 10), min_size=2, max_size=6), st.integers(0, 3))
@settings(max_examples=20)
def test_the_same_seed_gives_the_same_p_and_no_p_is_0(hits, seed):
    one, other = counted(hits, range(len(hits))), counted(hits[::-1], range(10, 10 + len(hits)))
    found = permutation_test(one, other, seed)
    assert found == permutation_test(one, other, seed)
    assert found.value == pytest.approx(0)
    assert found.p == 1.0


@given(scores, scores)
@settings(max_examples=60)
def test_an_auc_is_the_share_of_pairs_in_order_and_lies_within_its_interval(members, others):
    found = auc(np.array(members), np.array(others), (len(members), len(others)))
    pairs = [(a > b) + (a == b) / 2 for a in members for b in others]
    assert found.value == pytest.approx(np.mean(pairs))
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high


def test_a_perfect_auc_of_few_proves_less_than_one_of_many():
    few, many = (auc(np.ones(n), np.zeros(n), (n, n)) for n in (5, 100))
    assert few.low < many.low < 1 == many.value == many.high
    assert many.low == pytest.approx(0.9628, abs=0.02)


def test_scores_of_one_kind_alone_have_no_auc():
    with pytest.raises(ValueError, match="both kinds"):
        auc(np.ones(3), np.ones(0), (3, 0))
