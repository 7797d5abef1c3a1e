"""Blanks: what the transformers pipeline says, for masked models; the likeliest whole text, for causal ones."""

import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from transformers import BertConfig, BertForMaskedLM, pipeline

from probes.cloze import MASK, describe, fill
from probes.fill_mask import run_fill_mask
from probes.hidden_tokens import accuracy, hidden_places
from probes.interval import bootstrap, wilson
from probes.model import load
from probes.rows import sample_rows
from probes.settings import FillMaskSettings
from tests.helpers.models import make_masked
from wikilm.errors import RunError, UsageError

TEXT = f"The river carries {MASK} down to the sea."


@pytest.mark.parametrize("text", [TEXT, f"{MASK} turns green.", f"Copper turns {MASK}", f"A {MASK} and a {MASK}."])
def test_a_masked_model_says_what_the_transformers_pipeline_says(tiny, masked, text):
    ours = fill(masked, text, top_k=5, candidates=1)
    peer = pipeline("fill-mask", model=str(tiny / "masked"))(text.replace(MASK, "<|mask|>"), top_k=5)
    answers = peer if isinstance(peer[0], list) else [peer]
    assert len(ours.blanks) == len(answers) == text.count(MASK)
    for blank, answer in zip(ours.blanks, answers, strict=True):
        assert [choice.id for choice in blank.choices] == [guess["token"] for guess in answer]
        assert [choice.token for choice in blank.choices] == [guess["token_str"] for guess in answer]
        assert [choice.probability for choice in blank.choices] == pytest.approx([guess["score"] for guess in answer])
    if len(answers) == 1:
        assert ours.filled == answers[0][0]["sequence"]


def test_the_masked_answer_holds_what_a_learner_asks_for(masked):
    cloze = fill(masked, TEXT, top_k=3, candidates=1)
    assert cloze.tokens[cloze.blanks[0].position] == "<|mask|>"
    assert cloze.attention_mask == (1,) * len(cloze.ids)
    assert cloze.logits_shape == (1, len(cloze.ids), 400)
    assert len(cloze.blanks[0].choices) == 3


def test_the_tokenizers_own_mask_token_is_a_blank_too(masked, causal):
    for model in (masked, causal):
        assert fill(model, TEXT, 5, 20).blanks == fill(model, TEXT.replace(MASK, "<|mask|>"), 5, 20).blanks


def test_a_text_without_a_blank_is_wrong_usage(masked, causal):
    for model in (masked, causal):
        with pytest.raises(UsageError, match=r"no blank; write \[MASK\]"):
            fill(model, "The river.", 5, 20)


def test_a_text_longer_than_the_model_is_refused(masked, causal):
    for model in (masked, causal):
        with pytest.raises(UsageError, match="48 positions"):
            fill(model, TEXT * 9, 5, 20)


def whole_text_log_probability(model, ids):
    """Log-probability of ids after the first, one full pass and no tricks."""
    with torch.no_grad():
        logits = model.model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    return sum(float(logits[i, ids[i + 1]]) for i in range(len(ids) - 1))


@pytest.mark.parametrize("text", [TEXT, f"Copper turns {MASK}", f"{MASK} turns green.", f"The light{MASK} of stone."])
def test_a_causal_model_ranks_by_the_probability_of_the_whole_text(causal, text):
    cloze = fill(causal, text, top_k=10, candidates=60)
    blank = cloze.blanks[0]
    scores = []
    for choice in blank.choices:
        ids = [*cloze.ids[: blank.position], choice.id, *cloze.ids[blank.position + 1 :]]
        scores.append(whole_text_log_probability(causal, ids))
        assert choice.text_log_probability == pytest.approx(scores[-1], abs=1e-3)
    assert scores == sorted(scores, reverse=True)
    ratio = np.exp(scores[1] - scores[0])
    assert blank.choices[1].probability / blank.choices[0].probability == pytest.approx(ratio, rel=1e-2)


def test_candidates_of_a_causal_model_keep_the_space_that_the_text_has(causal):
    after_space = fill(causal, f"Copper turns {MASK} in the rain.", 10, 200).blanks[0].choices
    assert all(choice.token.startswith(" ") for choice in after_space)
    within_word = fill(causal, f"Copper tur{MASK} in the rain.", 10, 200).blanks[0].choices
    assert not any(choice.token.startswith(" ") for choice in within_word)


def test_a_causal_model_fills_several_blanks_from_left_to_right(causal):
    cloze = fill(causal, f"A {MASK} and a {MASK} of stone.", top_k=2, candidates=20)
    assert [cloze.tokens[blank.position] for blank in cloze.blanks] == [MASK, MASK]
    assert all(cloze.ids[blank.position] == blank.choices[0].id for blank in cloze.blanks)
    assert (
        cloze.filled
        == "A" + cloze.blanks[0].choices[0].token + " and a" + cloze.blanks[1].choices[0].token + " of stone."
    )


def test_both_sides_differ_from_the_left_side_alone(causal):
    """The rescoring does something: the best whole text is not always the likeliest next token."""
    texts = [f"{left} {MASK} {right}" for left in ("The old", "Bees", "A river") for right in ("of stone.", "dusk.")]
    changed = 0
    for text in texts:
        best = fill(causal, text, 1, 50).blanks[0].choices[0].id
        changed += best != fill(causal, text, 1, 1).blanks[0].choices[0].id
    assert changed > 0


def test_padding_ids_beyond_the_vocabulary_are_never_ranked(tmp_path, tiny):
    shutil.copytree(tiny / "tokenizer", tmp_path / "padded")
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    model = BertForMaskedLM(BertConfig(vocab_size=448, max_position_embeddings=48, **shape))
    with torch.no_grad():
        model.cls.predictions.bias[400:] = 50.0  # without care, all of the probability
    model.save_pretrained(tmp_path / "padded")
    loaded = load(str(tmp_path / "padded"))
    choices = fill(loaded, TEXT, top_k=400, candidates=1).blanks[0].choices
    assert {choice.id for choice in choices} == set(range(400))
    assert sum(choice.probability for choice in choices) == pytest.approx(1, abs=1e-4)


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


ROWS = npst.arrays(np.int64, st.tuples(st.integers(1, 6), st.integers(2, 40)), elements=st.integers(0, 9))


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


def test_wilsons_interval_is_the_published_one():
    assert (wilson(5, 10).low, wilson(5, 10).high) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert (wilson(0, 10).low, wilson(0, 10).high) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert (wilson(10, 10).low, wilson(10, 10).high) == pytest.approx((0.7225, 1.0), abs=1e-4)
    with pytest.raises(ValueError, match="no share"):
        wilson(0, 0)


@given(
    pairs=st.lists(
        st.integers(1, 20).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=30
    )
)
@settings(max_examples=60)
def test_an_interval_holds_its_share_and_stays_between_0_and_1(pairs):
    hits, trials = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    share = bootstrap(hits, trials, seed=1)
    assert 0 <= share.low <= share.value <= share.high <= 1
    assert share.high > share.low or len(set(zip(hits, trials, strict=True))) > 1
    assert share.value == pytest.approx(hits.sum() / trials.sum())
    assert share == bootstrap(hits, trials, seed=1)
    single = wilson(int(hits.sum()), int(trials.sum()))
    assert 0 <= single.low <= single.value <= single.high <= 1


def test_the_bootstrap_agrees_with_the_normal_approximation_where_that_holds():
    rng = np.random.default_rng(0)
    hits = rng.binomial(16, 0.4, size=400).astype(np.int64)
    share = bootstrap(hits, np.full(400, 16, dtype=np.int64), seed=0)
    spread = 1.96 * (hits / 16).std() / 20
    assert (share.low, share.high) == pytest.approx((share.value - spread, share.value + spread), abs=0.003)


def test_one_result_holds_all_models_and_flat_figures(tiny):
    names = [str(tiny / "masked"), str(tiny / "causal"), str(tiny / "causal")]
    result = run_fill_mask(names, tiny / "shards", FillMaskSettings(texts=(TEXT,), rows=4))
    assert [model.kind for model in result.models] == ["masked", "causal", "causal"]
    assert set(result.metrics) == {
        f"{label}_{split}_{top}"
        for label in ("masked", "causal", "causal#2")
        for split in ("train", "validation")
        for top in ("top1", "top5")
    }
    assert all(0 <= value <= 1 for value in result.metrics.values())
    assert [accuracy.rows for accuracy in result.models[0].accuracies] == [4, 4]


def test_the_text_for_people_says_how_a_causal_model_was_asked(causal):
    text = describe("causal", fill(causal, TEXT, 5, 20))
    assert "log-probability of the whole text" in text
    assert "blank at position" in text


def test_rows_longer_than_the_model_are_refused(tmp_path, tiny, masked):
    make_masked(tmp_path / "short", masked.tokenizer, positions=16)
    loaded = load(str(tmp_path / "short"))
    with pytest.raises(RunError, match="16 positions, but the rows have 32"):
        accuracy(loaded, sample_rows(tiny / "shards", loaded, None, 0), 0.15, 0)
