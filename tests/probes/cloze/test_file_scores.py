"""The sums of a file of statements are those of its lines, beside baselines and statements without their subjects."""

import json
import math

import numpy as np
import pytest

from probes.cloze.answer_score import Answer
from probes.cloze.file_scores import baseline_ranks, describe, score_file, scores
from probes.cloze.statements import read_statements
from probes.measuring import HOW_BASELINES, count_training
from wikilm.errors import UsageError
from wikilm.shards import open_checked

LINES = (
    {"text": "The river carries [MASK] to the sea.", "answer": "sand", "subject": "The river"},
    {"text": "Sand becomes [MASK].", "answer": "stone"},
    {"text": "The [MASK] carries sand.", "answer": "river", "subject": "sand"},
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("statements") / "own.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    return str(path)


@pytest.mark.parametrize("kind", ["causal", "masked"])
def test_sums_are_those_of_the_lines(kind, request, file, tiny_shards):
    counts = count_training(open_checked(tiny_shards))
    sums, answered = score_file(request.getfixturevalue(kind), file, read_statements(file), counts, seed=0)
    assert [one.answer for one in answered] == [line["answer"] for line in LINES]
    for depth in (1, 5, 10):
        share = getattr(sums.scores, f"p_at_{depth}")
        assert share.value == sum(one.rank <= depth for one in answered) / 3
    assert sums.scores.mean_reciprocal_rank.value == pytest.approx(sum(1 / one.rank for one in answered) / 3)
    bits = sum(one.bits_per_token * one.tokens for one in answered)
    assert sums.scores.bits_per_token is not None
    assert sums.scores.bits_per_token.value == pytest.approx(bits / sum(one.tokens for one in answered))
    assert all(one.probability == pytest.approx(2 ** -(one.bits_per_token * one.tokens)) for one in answered)
    assert sums.without_subject is not None
    assert sums.without_subject.statements == 2
    assert [one.rank_without_subject is None for one in answered] == [False, True, False]
    names = [name for name in HOW_BASELINES if kind == "masked" or name != "neighbours"]
    assert [one.name for one in sums.baselines] == names
    assert "without the subject" in describe(sums)


def test_without_shards_there_are_no_baselines(causal, file):
    sums, answered = score_file(causal, file, read_statements(file), None, seed=0)
    assert sums.baselines == ()
    assert all(one.baseline_ranks == {} for one in answered)


def test_a_baseline_finds_what_its_counts_rank_and_no_answer_of_several_tokens(tiny_shards):
    counts = count_training(open_checked(tiny_shards))
    left = int(counts.after.contexts[5])
    likeliest = counts.after.of(np.array([left]))[0]
    answers = [Answer((int(likeliest[0]),), left, -1, 1.0, 1, ()), Answer((int(likeliest[0]), 3), left, -1, 1.0, 1, ())]
    assert baseline_ranks(answers, counts, both_sides=False)["bigram"] == [1, None]


def test_scores_of_ranks_by_hand():
    found = scores([1, 4, 10, None], [math.log(2), math.log(8), 0.0, 0.0], [1, 1, 2, 2], seed=0)
    assert [found.p_at_1.value, found.p_at_5.value, found.p_at_10.value] == [0.25, 0.5, 0.75]
    assert found.mean_reciprocal_rank.value == pytest.approx((1 + 1 / 4 + 1 / 10) / 4)
    assert found.bits_per_token is not None
    assert found.bits_per_token.value == pytest.approx((1 + 3) / 6)
    assert scores([1, 1], None, None, seed=0).bits_per_token is None


def test_statements_too_long_for_a_model_are_counted_and_none_left_is_an_error(causal, tmp_path):
    long = {"text": "sand " * 400 + "[MASK].", "answer": "sand"}
    for name, lines in (("some", [long, LINES[1]]), ("none", [long])):
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    sums, answered = score_file(causal, "some", read_statements(str(tmp_path / "some")), None, seed=0)
    assert (sums.left_out, sums.scores.statements, [one.line for one in answered]) == (1, 1, [2])
    assert "1 statement more with too many tokens" in describe(sums)
    with pytest.raises(UsageError, match=r"none: line 1: .* positions"):
        score_file(causal, "none", read_statements(str(tmp_path / "none")), None, seed=0)
