"""Articles of a bucket that are alike are found, in time that grows with their number alone."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.duplicates import matches
from pipeline.duplicates.groups import components
from pipeline.duplicates.matches import MANY, alike

PAIRS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40)


def pairs_of(buckets: Sequence[int], values: Sequence[Sequence[int]], needed: int) -> set[tuple[int, int]]:
    found = alike(
        np.array(buckets, np.int64),
        np.array(values, np.uint8).reshape(len(buckets), len(values[0]) if values else 1),
        needed,
    )
    return {pair for later, earlier in found for pair in zip(later.tolist(), earlier.tolist(), strict=True)}


@given(st.lists(st.tuples(st.integers(0, 4), st.tuples(*[st.integers(0, 2)] * 4)), max_size=30), st.integers(1, 4))
def test_all_pairs_of_a_small_bucket_are_compared(articles: list[tuple[int, tuple[int, ...]]], needed: int) -> None:
    articles.sort(key=lambda article: article[0])
    expected = {
        (later, earlier)
        for later, (bucket, values) in enumerate(articles)
        for earlier, (other, others) in enumerate(articles[:later])
        if bucket == other and sum(a == b for a, b in zip(values, others, strict=True)) >= needed
    }
    assert pairs_of([bucket for bucket, _ in articles], [values for _, values in articles], needed) == expected


def test_equal_articles_of_a_large_bucket_are_each_compared_with_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matches, "PAIRS_AT_ONCE", 1000)
    count = 20_000
    assert pairs_of([7] * count, [[1, 2]] * count, 2) == {(later, 0) for later in range(1, count)}


def test_kinds_of_article_in_a_large_bucket_are_told_apart() -> None:
    kinds = [number % 5 for number in range(10 * MANY)]
    found = pairs_of([0] * len(kinds), [[kind] for kind in kinds], 1)
    assert {later for later, _ in found} == set(range(5, len(kinds)))
    assert all(kinds[later] == kinds[earlier] for later, earlier in found)


@given(PAIRS)
def test_a_group_is_all_that_pairs_lead_to(pairs: list[tuple[int, int]]) -> None:
    groups = [{node} for node in range(31)]
    for one, other in pairs:
        joined = groups[one] | groups[other]
        for node in joined:
            groups[node] = joined
    edges = np.array(pairs, np.int64).reshape(-1, 2)
    found = components(31, lambda: [(edges[:3, 0], edges[:3, 1]), (edges[3:, 0], edges[3:, 1])])
    assert found.tolist() == [min(group) for group in groups]
