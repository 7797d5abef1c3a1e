"""Edit distance and longest run are what plain definitions of them say."""

from difflib import SequenceMatcher
from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.recitation.similarity import edit_distances, longest_runs

pairs = st.tuples(st.integers(1, 7), st.integers(1, 7)).flatmap(
    lambda sizes: st.lists(
        st.tuples(*(st.lists(st.integers(0, 2), min_size=n, max_size=n) for n in sizes)), min_size=1, max_size=5
    )
)


def levenshtein(one, other):
    @cache
    def distance(i, j):
        if 0 in (i, j):
            return i + j
        replaced = distance(i - 1, j - 1) + (one[i - 1] != other[j - 1])
        return min(replaced, distance(i - 1, j) + 1, distance(i, j - 1) + 1)

    return distance(len(one), len(other))


@given(pairs)
@settings(max_examples=100)
def test_rows_at_once_are_rows_one_by_one(rows):
    truth, added = np.array([one for one, _ in rows]), np.array([other for _, other in rows])
    assert edit_distances(truth, added).tolist() == [levenshtein(tuple(a), tuple(b)) for a, b in rows]
    expected = [SequenceMatcher(None, a, b, autojunk=False).find_longest_match().size for a, b in rows]
    assert longest_runs(truth, added).tolist() == expected
