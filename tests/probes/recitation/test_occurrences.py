"""A run of tokens is counted wherever it stands within a training row, and nowhere else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.recitation import occurrences
from probes.recitation.occurrences import count_occurrences
from tests.helpers.shards import make_shards
from wikilm.shards import open_checked


@pytest.fixture(scope="module")
def shards(tiny, tmp_path_factory):
    """Rows of few kinds of tokens, so that runs come again."""
    folder = tmp_path_factory.mktemp("runs")
    make_shards(folder, tiny / "tokenizer", np.random.default_rng(0).integers(0, 3, (7, 12)))
    return open_checked(folder)


runs = st.integers(1, 4).flatmap(
    lambda size: st.lists(st.lists(st.integers(0, 3), min_size=size, max_size=size), min_size=1, max_size=6)
)


@given(wanted=runs, at_a_time=st.integers(1, 9), base=st.sampled_from([1, 0x9E3779B97F4A7C15]))
@settings(max_examples=80)
def test_counts_are_those_of_a_naive_search_even_where_hashes_collide(shards, wanted, at_a_time, base):
    rows = shards.rows("train").take(np.arange(7)).tolist()
    size = len(wanted[0])
    expected = [sum(row[i : i + size] == run for row in rows for i in range(12 - size + 1)) for run in wanted]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(occurrences, "_ROWS_AT_A_TIME", at_a_time)
        patch.setattr(occurrences, "_BASE", np.uint64(base))  # 1: a run and its shuffles have the same hash
        assert count_occurrences(shards, np.array(wanted)).tolist() == expected
