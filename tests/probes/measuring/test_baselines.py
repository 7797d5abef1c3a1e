"""Baselines guess from counts alone, see no more than the model beside them, and cost what their frequencies say."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from probes.measuring.baselines import (
    BIGRAM,
    HOW_BASELINES,
    MOST_COMMON,
    NEIGHBOURS,
    _back_off,
    blind_loss,
    continue_by_bigram,
    continue_by_most_common,
    guess_hidden,
)
from probes.measuring.training_counts import GUESSES, count_training
from tests.helpers.shards import make_rows, make_shards
from wikilm.shards import open_checked

# Token 3 stands between 1 and 2, token 4 follows 1 else, token 9 is everywhere.
TRAIN = np.array([[9, 9, 9, 1, 3, 2, 9, 9], [9, 1, 3, 2, 9, 1, 4, 9], [9, 1, 4, 8, 9, 1, 4, 8]])


@pytest.fixture(scope="module")
def counts(tmp_path_factory, tiny_tokenizer):
    folder = tmp_path_factory.mktemp("counted")
    make_shards(folder, tiny_tokenizer, TRAIN, TRAIN[:1])
    return count_training(open_checked(folder))


def at(row: list[int], *places: int) -> tuple[np.ndarray, np.ndarray]:
    """One row with hidden places."""
    hidden = np.zeros((1, len(row)), np.bool_)
    hidden[0, list(places)] = True
    return np.array([row]), hidden


def test_neighbours_tell_more_than_the_left_one(counts):
    rows, hidden = at([7, 1, 3, 2, 7], 2)
    masked = guess_hidden(counts, rows, hidden, both_sides=True)
    causal = guess_hidden(counts, rows, hidden, both_sides=False)
    assert set(masked) == set(HOW_BASELINES)
    assert set(causal) == {MOST_COMMON, BIGRAM}, "a causal model sees nothing to the right"
    assert masked[NEIGHBOURS][0, :2].tolist() == [3, 4]
    assert masked[BIGRAM][0, :3].tolist() == causal[BIGRAM][0, :3].tolist() == [4, 3, 9]
    assert masked[MOST_COMMON][0, 0] == 9


def test_a_masked_baseline_does_not_see_other_hidden_tokens_and_a_causal_one_sees_the_left(counts):
    rows, hidden = at([7, 1, 3, 2, 7], 1, 2)
    masked = guess_hidden(counts, rows, hidden, both_sides=True)
    assert masked[BIGRAM][1].tolist() == counts.most_common.tolist()
    assert masked[NEIGHBOURS][1, 0] == 3, "only 3 stands before 2"
    assert guess_hidden(counts, rows, hidden, both_sides=False)[BIGRAM][1, 0] == 4
    other = rows.copy()
    other[hidden] = 5
    for name, guesses in guess_hidden(counts, other, hidden, both_sides=True).items():
        assert np.array_equal(guesses, masked[name]), "what is hidden decides no guess"


def test_the_last_token_of_a_row_has_a_left_neighbour_only(counts):
    rows, hidden = at([7, 9, 1, 3], 3)
    assert guess_hidden(counts, rows, hidden, both_sides=True)[NEIGHBOURS][0, 0] == 4


@given(
    tables=st.lists(
        npst.arrays(np.int64, (3, GUESSES), elements=st.integers(-1, 6), unique=False), min_size=1, max_size=4
    )
)
@settings(max_examples=60)
def test_backing_off_takes_the_first_tables_guesses_first_and_none_twice(tables):
    for place, found in enumerate(_back_off(*(_distinct(table) for table in tables))):
        wanted = list(dict.fromkeys(t for table in tables for t in dict.fromkeys(table[place].tolist()) if t >= 0))
        assert found.tolist() == (wanted + [-1] * GUESSES)[:GUESSES]


def _distinct(table: np.ndarray) -> np.ndarray:
    """A table with no token twice in a row, as counts give them."""
    rows = [list(dict.fromkeys(t for t in row if t >= 0)) for row in table.tolist()]
    return np.array([(row + [-1] * GUESSES)[:GUESSES] for row in rows])


def test_the_greedy_bigram_follows_its_table_and_falls_back_on_the_most_common_token(counts):
    added = continue_by_bigram(counts, np.array([[5, 1], [1, 8], [9, 7]]), 3)
    assert added.tolist() == [[4, 8, 9], [9, 1, 4], [9, 1, 4]], "nothing follows 7, and 1 follows 9"
    assert continue_by_most_common(counts, np.array([[5, 1]]), 3).tolist() == [[9, 9, 9]]


def test_blind_guessers_lose_the_logarithm_of_the_vocabulary_or_the_entropy(counts):
    loss = blind_loss(counts, TRAIN)
    n, vocabulary = TRAIN.size, counts.vocab_size
    share = np.unique(TRAIN, return_counts=True)[1] / n
    assert loss.uniform == pytest.approx(math.log(vocabulary))
    assert loss.unigram_train == pytest.approx(-(share * np.log(share)).sum())
    plain = [-math.log((int((t == TRAIN).sum()) + 1) / (n + vocabulary)) for t in TRAIN.ravel()]
    assert loss.unigram_validation == pytest.approx(np.mean(plain))
    assert loss.unigram_train < loss.unigram_validation < loss.uniform
    assert math.isfinite(blind_loss(counts, np.array([[300]])).unigram_validation), "a new token has a price"


def test_a_row_of_shards_is_guessed_whole(tiny_shards, tiny_tokenizer):
    counts = count_training(open_checked(tiny_shards))
    rows = make_rows(tiny_tokenizer, 3, seed=5)
    hidden = np.ones(rows.shape, np.bool_)
    hidden[:, 0] = False
    for both_sides in (True, False):
        for guesses in guess_hidden(counts, rows, hidden, both_sides=both_sides).values():
            assert guesses.shape == (int(hidden.sum()), GUESSES)
            assert (guesses[:, 0] >= 0).all()
