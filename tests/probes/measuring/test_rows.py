"""Rows are sampled by a seed, from shards that fit the model; any others are refused in one line."""

import shutil

import numpy as np
import pytest

from probes.measuring.rows import sample_rows
from probes.model.loading import load
from tests.helpers.shards import make_rows, make_shards
from tests.helpers.tokenizers import make_tokenizer
from wikilm.errors import RunError


def test_a_sample_of_rows_is_seeded_and_in_order(tiny_shards, causal):
    def sample(seed):
        return sample_rows(tiny_shards, causal, 5, seed).train

    assert len(sample(0)) == 5
    assert np.array_equal(sample(0), sample(0))
    assert not np.array_equal(sample(0), sample(1))
    places = [
        next(i for i, row in enumerate(sample_rows(tiny_shards, causal, None, 0).train) if np.array_equal(row, one))
        for one in sample(0)
    ]
    assert places == sorted(places)


def test_a_split_without_rows_is_named(tmp_path, tiny, causal):
    rows = make_rows(tiny / "tokenizer", 4)
    make_shards(tmp_path, tiny / "tokenizer", rows, rows[:0])
    with pytest.raises(RunError, match="validation split has no rows"):
        sample_rows(tmp_path, causal, None, 0)


def test_shards_of_another_tokenizer_are_refused(tmp_path, causal):
    make_tokenizer(tmp_path / "tokenizer", vocab_size=380)
    make_shards(tmp_path / "shards", tmp_path / "tokenizer")
    with pytest.raises(RunError, match="use the model trained on these shards"):
        sample_rows(tmp_path / "shards", causal, None, 0)


def test_a_trained_models_tokenizer_must_be_the_shards_own(tmp_path, tiny):
    shutil.copytree(tiny / "causal", tmp_path / "model")
    (tmp_path / "model" / "training.json").write_text("{}")
    loaded = load(str(tmp_path / "model"))
    assert len(sample_rows(tiny / "shards", loaded, None, 0).train) == 24
    same_size = (tmp_path / "model" / "tokenizer.json").read_text() + " "
    (tmp_path / "model" / "tokenizer.json").write_text(same_size)
    with pytest.raises(RunError, match="not the tokenizer that made"):
        sample_rows(tiny / "shards", loaded, None, 0)


def test_damaged_and_missing_shards_are_named(tmp_path, tiny, causal):
    manifest = make_shards(tmp_path, tiny / "tokenizer")
    shard = tmp_path / manifest.shards[0].path
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(RunError, match=r"data-00000-of-00002.arrow: .*pipeline.verify"):
        sample_rows(tmp_path, causal, None, 0)
    with pytest.raises(RunError, match="make them with python -m pipeline"):
        sample_rows(tmp_path / "nothing", causal, None, 0)
