"""Recitation: a text that a model wrote itself is recited whole, another is not, and the figures are plain counts."""

import csv
import io
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.measuring import next_token_losses
from probes.measuring.rows import sample_rows
from probes.recitation.attempts import attempt, continue_greedily, score
from probes.recitation.examples import spans
from probes.recitation.layout import curve_csv, describe
from probes.recitation.recite import recite
from probes.settings import RecitationSettings
from tests.helpers.shards import make_rows, make_shards
from wikilm.errors import UsageError
from wikilm.params import section
from wikilm.shards import SPLITS
from wikilm.shards.origins import Origins

SETTINGS = RecitationSettings(
    prefix=8,
    continuation=8,
    prefix_lengths=(1, 4, 8, 16, 24, 500),
    examples=3,
    batch_rows=5,
    continuation_lengths=(4, 16, 400),
)


@pytest.fixture(scope="module")
def folder(tiny, causal, tmp_path_factory):
    """Shards whose training rows are how the model itself continues eight tokens."""
    starts = make_rows(tiny / "tokenizer", 12)[:, :8]
    train = np.concatenate([starts, continue_greedily(causal, starts, 24, 64)], axis=1)
    folder = tmp_path_factory.mktemp("recited")
    make_shards(folder, tiny / "tokenizer", train)
    return folder


@pytest.fixture(scope="module")
def shards(folder, causal):
    return sample_rows(folder, causal, None, 0)


@pytest.fixture(scope="module")
def result(causal, shards):
    return recite(causal, shards, SETTINGS)


def test_what_the_model_wrote_itself_is_recited_and_another_text_is_not(result):
    train, validation = result.splits
    assert (train.split, train.rows, train.tokens.value, train.whole.value) == ("train", 12, 1.0, 1.0)
    assert validation.tokens.value < 0.3
    assert train.whole.low < 1.0, "twelve rows prove no certainty"
    assert result.metrics["train_tokens"] == 1.0
    assert {f"{s}_{w}" for s in ("train", "validation") for w in ("tokens", "whole")} < set(result.metrics)


def test_greedy_continuation_is_the_argmax_of_full_passes(causal, shards):
    prefixes = shards.validation[:, :5]
    added = continue_greedily(causal, prefixes, 6, batch_rows=4)
    for row, new in zip(prefixes, added, strict=True):
        ids = row.tolist()
        for token in new:
            with torch.no_grad():
                assert int(causal.model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()) == token
            ids.append(int(token))


@pytest.mark.parametrize("batch_rows", [1, 7, 100])
def test_the_batch_size_changes_nothing(causal, shards, batch_rows):
    reference = continue_greedily(causal, shards.train[:, :8], 8, 3)
    assert np.array_equal(continue_greedily(causal, shards.train[:, :8], 8, batch_rows), reference)


def test_the_curve_has_every_length_that_fits(result):
    for curve in (result.by_prefix, result.anywhere):
        assert [(p.split, p.prefix) for p in curve] == [
            (split, prefix) for split in ("train", "validation") for prefix in (1, 4, 8, 16, 24)
        ]
    assert [(p.split, p.continuation) for p in result.by_continuation] == [
        (split, continuation) for split in ("train", "validation") for continuation in (4, 8, 16)
    ]
    rows = list(csv.DictReader(io.StringIO(curve_csv("prefix", result.by_prefix, result.anywhere))))
    assert 0 <= float(rows[2]["train_anywhere_tokens"]) <= 1
    assert [row["prefix"] for row in rows] == ["1", "4", "8", "16", "24"]
    assert float(rows[2]["train_tokens"]) == 1.0
    assert all(float(r["train_tokens_low"]) <= float(r["train_tokens"]) <= float(r["train_tokens_high"]) for r in rows)


def test_examples_show_both_sides_and_count_what_is_equal(causal, result):
    assert [example.split for example in result.examples] == ["train"] * 3 + ["validation"] * 3
    for example in result.examples:
        truth, model = ("".join(span.text for span in side) for side in (example.truth, example.model))
        assert [span.equal for span in example.truth] == [span.equal for span in example.model]
        if example.split == "train":
            assert (truth, example.equal_tokens) == (model, 8)
    text = describe(result)
    assert "100.0 %" in text
    assert not any(c != "\n" and not c.isprintable() for c in text)


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=20))
@settings(max_examples=50)
def test_shares_are_counts_of_tokens_and_of_whole_rows(equal):
    right = np.array(equal)
    truth = np.arange(right.size).reshape(right.shape)
    scored = score("train", truth, np.where(right, truth, -1), 4, seed=0)
    assert scored.tokens.value == pytest.approx(right.mean())
    assert scored.whole.value == pytest.approx(right.all(axis=1).mean())
    assert scored.tokens.low <= scored.tokens.value <= scored.tokens.high
    assert scored.whole.low <= scored.whole.value <= scored.whole.high


@given(equal=st.lists(st.booleans(), min_size=1, max_size=12))
@settings(max_examples=30)
def test_spans_join_to_the_text_and_alternate(causal, equal):
    letters = "abcdefghijkl"[: len(equal)]
    ids = np.array(causal.tokenizer.convert_tokens_to_ids(list(letters)))
    cut = spans(causal, ids, np.array(equal))
    assert "".join(span.text for span in cut) == letters
    assert all(a.equal != b.equal for a, b in pairwise(cut))


def test_what_was_recited_whole_has_no_edits_and_runs_through(result):
    train, validation = result.splits
    assert (train.edits.value, train.longest_run.value) == (0.0, 1.0)
    assert validation.edits.value > 0.5
    assert train.loss < validation.loss
    assert [p.tokens for p in result.by_continuation if p.continuation == 8] == [p.tokens for p in result.splits]


def test_an_example_names_the_articles_that_its_tokens_are_of(result, shards):
    for example in result.examples:
        _, _, origins = Origins(shards.shards.path, shards.manifest).locate(example.split, example.row)
        here = [one for one in origins if one.row_tokens[0] < 16]  # 8 given, 8 added, from the start
        assert [(a.page_id, a.title, a.url) for a in example.articles] == [(o.page_id, o.title, o.url) for o in here]
        assert len(example.losses) == 8


def test_what_may_explain_recitation_covers_all_rows(result):
    for by in ("occurrences", "bigram", "zlib"):
        for split, rows in (("train", 12), ("validation", 6)):
            assert sum(g.rows for g in result.groups if (g.by, g.split) == (by, split)) == rows
    assert "seen" not in {group.by for group in result.groups}, "this model's training kept no record"
    assert {(b.name, b.split) for b in result.baselines} == {
        (name, split) for name in ("most_common", "bigram") for split in ("train", "validation")
    }
    assert {one.score for one in result.membership} == {"loss", "loss_per_zlib"}
    assert 0 < result.difference.p <= 1


@pytest.mark.parametrize("place", ["start", "anywhere"])
def test_an_attempt_shows_the_tokens_of_its_row_and_the_loss_of_each(causal, shards, place):
    made = attempt(causal, shards, "train", place, 5, 6, seed=1, batch_rows=4)
    for index, (number, offset) in enumerate(zip(made.rows, made.offsets, strict=True)):
        row = shards.shards.rows("train").take(np.array([number]))[0]
        shown = np.concatenate([made.prefixes[index], made.truth[index]])
        assert np.array_equal(row[offset : offset + 11], shown)
        with torch.no_grad():
            logits = causal.model(input_ids=torch.from_numpy(shown)[None]).logits[0]
        expected = torch.nn.functional.cross_entropy(
            logits[4:-1], torch.from_numpy(made.truth[index]), reduction="none"
        )
        assert made.losses[index] == pytest.approx(expected.numpy(), rel=1e-4)
    assert (made.offsets.max() > 0) == (place == "anywhere")


def test_a_rows_losses_are_the_same_wherever_its_prefix_ends(causal, shards, result):
    whole = {split: next_token_losses(causal, shards.split(split)) for split in SPLITS}
    for one in (*result.splits, *result.by_prefix, *result.by_continuation):
        told = whole[one.split][:, one.prefix - 1 : one.prefix - 1 + one.continuation]
        assert one.loss == pytest.approx(told.mean(), rel=1e-5)


def test_of_rows_longer_than_the_model_reads_only_their_start_is_asked_about(causal, shards, monkeypatch):
    monkeypatch.setitem(causal.__dict__, "positions", 20)
    short = recite(causal, shards, SETTINGS)
    assert max(one.prefix + one.continuation for one in (*short.by_prefix, *short.by_continuation)) <= 20
    assert {one.score for one in short.membership} == {"loss", "loss_per_zlib"}


def test_what_cannot_be_measured_is_refused(causal, masked, shards):
    with pytest.raises(UsageError, match="more than the 32 tokens of a row"):
        recite(causal, shards, SETTINGS.model_copy(update={"prefix": 30}))
    with pytest.raises(UsageError, match="does not recite"):
        recite(masked, shards, SETTINGS)


def test_lengths_that_do_not_rise_are_refused(tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text("recitation: {prefix_lengths: [4, 2]}\n")
    with pytest.raises(UsageError, match="prefix_lengths must rise"):
        section(params, "recitation", RecitationSettings)
