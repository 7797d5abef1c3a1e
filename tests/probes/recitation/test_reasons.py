"""What explains recitation is read from records and counts, and a record of other shards is refused."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pytest

from probes.measuring import count_training, sample_rows
from probes.recitation.attempts import attempt
from probes.recitation.reasons import guessed, predictable, seen
from wikilm.errors import RunError
from wikilm.exposures import SCHEMA, write_exposures


@pytest.fixture
def model(tmp_path):
    """A model's folder with the record of two steps of two rows, and a copy of its weights after the first step."""
    steps = [[1, 1, 2, 2], [0, 0, 0, 0], [0, 2, 2, 1]]
    write_exposures(
        tmp_path, [pa.record_batch([pa.array(c, f.type) for c, f in zip(steps, SCHEMA, strict=True)], SCHEMA)]
    )
    copy = tmp_path / "steps" / "step-00000001"
    copy.mkdir(parents=True)
    (copy / "training.json").write_text(json.dumps({"steps": 1}), encoding="utf-8")
    shutil.copytree(copy, tmp_path / "best")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "counts"), [(".", [1, 1, 2]), ("best", [1, 0, 1]), ("steps/step-00000001", [1, 0, 1])]
)
def test_rows_were_seen_as_often_as_the_record_says_before_these_weights(model, name, counts):
    assert seen(model / name, 3).tolist() == counts


def test_no_record_is_no_group_and_a_record_of_other_shards_is_refused(model, tmp_path_factory):
    assert seen(tmp_path_factory.mktemp("other"), 3) is None
    with pytest.raises(RunError, match="name the shards it was trained on"):
        seen(model, 2)
    (model / "best" / "training.json").unlink()
    with pytest.raises(RunError, match="its step is not known"):
        seen(model / "best", 3)


def test_what_a_table_of_pairs_guesses_is_left_out_of_what_is_recited(tiny, causal):
    sample = sample_rows(tiny / "shards", causal, None, 0)
    counts = count_training(sample.shards)
    made = attempt(causal, sample, "train", "start", 4, 8, seed=0, batch_rows=8)
    right = guessed(counts, made)
    for row, prefix, flags in zip(made.truth, made.prefixes, right, strict=True):
        left = [prefix[-1], *row[:-1]]
        assert flags.tolist() == [counts.after.of(np.array([a]))[0, 0] == b for a, b in zip(left, row, strict=True)]
    found = predictable(made, right, seed=0)
    assert found.bigram.value == pytest.approx(right.mean())
    assert found.beyond.value == pytest.approx(made.equal[~right].mean())
