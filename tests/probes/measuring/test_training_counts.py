"""Counts of training rows are those of a plain loop, however the rows are cut, and only of training rows."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import probes.measuring.training_counts as training_counts
from probes.measuring.training_counts import GUESSES, _PairCounts, count_training
from tests.helpers.shards import make_rows, make_shards
from wikilm.errors import RunError
from wikilm.shards import open_checked

PAIRS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 11)), max_size=60)


def ranked(of_context: Counter, anywhere: Counter) -> list[int]:
    """Tokens of a context: by how often they were seen there, then anywhere, then by id."""
    best = sorted(of_context, key=lambda token: (-of_context[token], -anywhere[token], token))[:GUESSES]
    return best + [-1] * (GUESSES - len(best))


@given(parts=st.lists(PAIRS, max_size=5))
@settings(max_examples=60)
def test_pairs_counted_in_parts_rank_as_a_plain_loop_ranks_them(parts):
    pairs, vocabulary, plain = _PairCounts(), 12, {}
    pairs_at_once = [pair for part in parts for pair in part]
    anywhere = Counter(token for _, token in pairs_at_once)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_counts, "_PAIRS_AT_A_TIME", 3)  # merge often
        for part in parts:
            pairs.add(np.array([context * vocabulary + token for context, token in part], dtype=np.int64))
    for context, token in pairs_at_once:
        plain.setdefault(context, Counter())[token] += 1
    found = pairs.likeliest(np.array([anywhere[token] for token in range(vocabulary)]))
    asked = np.arange(7)
    expected = [ranked(plain.get(context, Counter()), anywhere) for context in asked]
    assert found.of(asked).tolist() == expected


@given(rows=npst.arrays(np.int64, st.tuples(st.integers(1, 9), st.just(8)), elements=st.integers(0, 4)))
@settings(max_examples=15)
def test_neighbours_count_as_a_plain_loop_counts_them(tmp_path_factory, tiny, rows):
    folder = tmp_path_factory.mktemp("shards")
    make_shards(folder, tiny / "tokenizer", rows, make_rows(tiny / "tokenizer", 2, 8), units=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_counts, "_ROWS_AT_A_TIME", 2)
        counts = count_training(open_checked(folder))
        left, right = (np.repeat(np.arange(-1, 6), 7), np.tile(np.arange(-1, 6), 7))
        known = (left >= 0) & (right >= 0)
        between = counts.between(left[known], right[known])
    anywhere = Counter(rows.ravel().tolist())
    pairs = [(a, b) for row in rows.tolist() for a, b in pairwise(row)]
    triples = [three for row in rows.tolist() for three in zip(row, row[1:], row[2:], strict=False)]
    assert counts.rows == len(rows)
    assert {i: int(n) for i, n in enumerate(counts.tokens) if n} == anywhere
    for token in range(-1, 6):
        after = Counter(b for a, b in pairs if a == token)
        before = Counter(a for a, b in pairs if b == token)
        asked = np.array([token])
        assert counts.after.of(asked)[0].tolist() == ranked(after, anywhere)
        assert counts.before.of(asked)[0].tolist() == ranked(before, anywhere)
    for a, c, found in zip(left[known], right[known], between, strict=True):
        assert found.tolist() == ranked(Counter(b for x, b, y in triples if (x, y) == (a, c)), anywhere)


def test_validation_rows_are_not_counted(tmp_path, tiny):
    train = make_rows(tiny / "tokenizer", 8, seed=1)
    counts = []
    for number, validation in enumerate((train[:2], train[2:7])):
        make_shards(tmp_path / str(number), tiny / "tokenizer", train, validation)
        counts.append(count_training(open_checked(tmp_path / str(number))))
    assert all(one.tokens.sum() == train.size for one in counts)
    assert np.array_equal(counts[0].after.tokens, counts[1].after.tokens)


def test_of_many_rows_a_seeded_sample_is_counted(tiny_shards, monkeypatch):
    monkeypatch.setattr(training_counts, "MOST_ROWS", 10)
    shards = open_checked(tiny_shards)
    found = [count_training(shards, seed) for seed in (0, 0, 1)]
    assert [one.rows for one in found] == [10, 10, 10]
    assert [int(one.tokens.sum()) for one in found] == [320] * 3
    assert np.array_equal(found[0].tokens, found[1].tokens)
    assert not np.array_equal(found[0].tokens, found[2].tokens)


def test_a_training_split_without_rows_is_named(tmp_path, tiny):
    rows = make_rows(tiny / "tokenizer", 4)
    make_shards(tmp_path, tiny / "tokenizer", rows[:0], rows)
    with pytest.raises(RunError, match="train split has no rows"):
        count_training(open_checked(tmp_path))
