"""Every checkpoint gets the same questions, and its answers are those that each question alone would give."""

import csv
import json
import shutil

import pytest

from probes.__main__ import main
from probes.cloze.hidden_tokens import accuracy
from probes.curves.curves import CurvesResult, ask_checkpoints
from probes.curves.layout import describe
from probes.measuring import next_token_losses, sample_rows
from probes.output import json_text
from probes.recitation.attempts import continue_greedily, score
from probes.records import read_record
from probes.settings import CurvesSettings
from wikilm.errors import UsageError

SETTINGS = CurvesSettings(rows=4, prefix=8, continuation=8, cloze="The [MASK] flows.", max_new_tokens=4)


def told(folder, steps):
    (folder / "training.json").write_text(json.dumps({"steps": steps}), encoding="utf-8")


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    """Two models' folders: the causal one has kept steps 2 and 4, and its best step was 2."""
    root = tmp_path_factory.mktemp("trained")
    for kind in ("causal", "masked"):
        shutil.copytree(tiny / kind, root / kind)
        told(root / kind, 6)
    for name, steps in (("steps/step-00000002", 2), ("steps/step-00000004", 4), ("best", 2)):
        shutil.copytree(tiny / "causal", root / "causal" / name)
        told(root / "causal" / name, steps)
    return root


@pytest.fixture(scope="module")
def result(trained, tiny):
    return ask_checkpoints([trained / "causal", trained / "masked"], tiny / "shards", SETTINGS)


def test_every_checkpoint_of_every_model_answers_once_in_the_order_of_the_steps(result):
    causal, masked = result.models
    assert [(p.step, p.is_best, p.is_last) for p in causal.points] == [
        (2, True, False),
        (4, False, False),
        (6, False, True),
    ]
    assert [(p.step, p.is_best, p.is_last) for p in masked.points] == [(6, False, True)]
    assert result.metrics["causal_best_step"] == 2
    assert {"causal_last_validation_loss", "causal_best_train_recited", "masked_last_train_top5"} <= set(result.metrics)


def test_the_answers_are_those_of_each_question_alone(result, causal, tiny):
    sample = sample_rows(tiny / "shards", causal, SETTINGS.rows, SETTINGS.seed)
    guessed = {one.split: one for one in accuracy(causal, sample, SETTINGS.masked_fraction, SETTINGS.seed)}
    for answers in result.models[0].points[1].splits:
        rows = sample.split(answers.split)
        added = continue_greedily(causal, rows[:, :8], 8, 64)
        assert answers.loss == pytest.approx(float(next_token_losses(causal, rows).mean()))
        assert (answers.top1, answers.top5) == (guessed[answers.split].top1, guessed[answers.split].top5)
        assert answers.recited == score(answers.split, rows[:, 8:16], added, 8, SETTINGS.seed).tokens


def test_counts_of_the_training_rows_stand_beside_each_model_once(result):
    for curve, names in zip(result.models, (2, 3), strict=True):
        assert [one.split for one in curve.yardsticks] == ["train", "validation"]
        assert {len(one.baselines) for one in curve.yardsticks} == {names}, "of both neighbours where both are seen"


def test_a_masked_model_recites_nothing_and_writes_nothing(result):
    (point,) = result.models[1].points
    assert {answers.recited for answers in point.splits} == {None}
    assert point.continuation is None
    assert point.filled != SETTINGS.cloze


def test_the_result_is_read_as_it_was_written_and_told(result, tmp_path):
    path = tmp_path / "curves.json"
    path.write_text(json_text(result), encoding="utf-8")
    assert json_text(read_record(path, CurvesResult, "")) == json_text(result)
    text = describe(result)
    assert all(f"step {step}: " in text for step in (2, 4, 6))
    assert not any(c != "\n" and not c.isprintable() for c in text)


def test_the_command_writes_a_table_by_step_for_each_model_and_says_what_is_not_kept(trained, tiny, tmp_path, capsys):
    models = [word for kind in ("causal", "masked") for word in ("--model", str(trained / kind))]
    sizes = ["--rows", "2", "--prefix", "8", "--continue", "8"]
    main(["curves", *models, "--shards", str(tiny / "shards"), "--curves", str(tmp_path), *sizes, "--json"])
    out, err = capsys.readouterr()
    rows = list(csv.DictReader((tmp_path / "causal.csv").open()))
    assert [row["step"] for row in rows] == ["2", "4", "6"]
    assert float(rows[-1]["validation_loss"]) == json.loads(out)["metrics"]["causal_last_validation_loss"]
    assert "train_recited" not in (tmp_path / "masked.csv").read_text(encoding="utf-8")
    assert "masked: no weights of steps on the way: set keep_every_steps" in err
    assert "causal: no weights" not in err


def test_lengths_that_do_not_fit_into_a_row_are_refused_before_any_answer(trained, tiny):
    with pytest.raises(UsageError, match="prefix 30 and --continue 8: more than the 32 tokens of a row"):
        ask_checkpoints([trained / "causal"], tiny / "shards", SETTINGS.model_copy(update={"prefix": 30}))
