"""Runs are the longest, none within another; novelty counts the n-grams that stand nowhere."""

from hypothesis import given
from hypothesis import strategies as st

from probes.trace.runs import Novelty, maximal_runs, novelty

TEXTS = st.text("ab", max_size=9)


def longest_of(text: str, rows: list[str]) -> list[int]:
    """By looking: for each letter, how many from it on stand in a row."""
    ends = range(len(text) + 1)
    return [
        max(end - start for end in ends[start:] if any(text[start:end] in row for row in rows)) for start in ends[:-1]
    ]


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=3), st.integers(1, 4))
def test_a_run_stands_in_a_row_and_no_longer_one_around_it_does(text, rows, least):
    standing = {
        (start, end)
        for start in range(len(text))
        for end in range(start + 1, len(text) + 1)
        if any(text[start:end] in row for row in rows)
    }
    maximal = {
        (start, end)
        for start, end in standing
        if end - start >= least and (start - 1, end) not in standing and (start, end + 1) not in standing
    }
    assert maximal_runs(longest_of(text, rows), least) == sorted(maximal)


@given(st.lists(st.tuples(TEXTS, st.integers(0, 9)), max_size=3), st.lists(TEXTS, min_size=1, max_size=3))
def test_an_ngram_is_new_where_it_stands_in_no_row(texts, rows):
    found = novelty([(longest_of(text, rows), given) for text, given in texts], 4)
    for n in range(1, 5):
        ngrams = [text[end - n : end] for text, given in texts for end in range(max(n, given + 1), len(text) + 1)]
        new = sum(not any(ngram in row for row in rows) for ngram in ngrams)
        wanted = [Novelty(n, len(ngrams), new, new / len(ngrams))] if ngrams else []
        assert [one for one in found if one.n == n] == wanted
