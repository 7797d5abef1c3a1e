"""Tokens hidden in rows: which, by a seed, and how often a model finds them, counted as by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from probes.cloze.hidden_tokens import accuracy, hidden_places
from probes.measuring.rows import sample_rows
from probes.model.loading import load
from tests.helpers.models import make_masked
from wikilm.errors import RunError

ROWS = npst.arrays(np.int64, st.tuples(st.integers(1, 6), st.integers(2, 40)), elements=st.integers(0, 9))


@pytest.mark.parametrize("kind", ["causal", "masked"])
def test_guesses_at_hidden_tokens_are_counted_as_a_plain_loop_counts_them(tiny, kind, request):
    loaded = request.getfixturevalue(kind)
    shards = sample_rows(tiny / "shards", loaded, None, 0)
    found = {result.split: result for result in accuracy(loaded, shards, 0.2, seed=3)}
    end, mask = loaded.tokenizer.eos_token_id, loaded.tokenizer.mask_token_id
    for split in ("train", "validation"):
        rows = shards.split(split)
        hidden = hidden_places(rows, 0.2, end, 3)
        top1 = top5 = places = 0
        for row, where in zip(rows, hidden, strict=True):
            shown = np.where(where, mask, row) if kind == "masked" else row
            with torch.no_grad():
                logits = loaded.model(input_ids=torch.tensor(shown)[None]).logits[0]
            for place in np.flatnonzero(where):
                guess = logits[place if kind == "masked" else place - 1].topk(5).indices.tolist()
                top1, top5, places = top1 + (guess[0] == row[place]), top5 + (row[place] in guess), places + 1
        result = found[split]
        assert (result.places, result.rows) == (places, len(rows))
        assert result.top1.value == pytest.approx(top1 / places)
        assert result.top5.value == pytest.approx(top5 / places)
        assert result.top5.low <= result.top5.value <= result.top5.high


@given(rows=ROWS, fraction=st.floats(0.01, 1), seed=st.integers(0, 99))
@settings(max_examples=60)
def test_hidden_places_are_a_seeded_share_and_never_the_end_of_text(rows, fraction, seed):
    rows = rows[(rows[:, 1:] != 9).any(axis=1)]
    hidden = hidden_places(rows, fraction, never=9, seed=seed)
    assert hidden.shape == rows.shape
    assert not (hidden & (rows == 9)).any()
    assert not hidden[:, :1].any()
    for row, places in zip(rows, hidden, strict=True):
        assert places.sum() == max(1, round(fraction * int((row[1:] != 9).sum())))
    assert np.array_equal(hidden, hidden_places(rows, fraction, 9, seed))
    assert np.array_equal(hidden[::-1], hidden_places(rows[::-1], fraction, 9, seed)), "a row's places are its own"


def test_rows_longer_than_the_model_are_refused(tmp_path, tiny, masked):
    make_masked(tmp_path / "short", masked.tokenizer, positions=16)
    loaded = load(str(tmp_path / "short"))
    with pytest.raises(RunError, match="16 positions, but the rows have 32"):
        accuracy(loaded, sample_rows(tiny / "shards", loaded, None, 0), 0.15, 0)
