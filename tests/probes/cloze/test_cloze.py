"""Blanks: what the transformers pipeline says, for masked models; the likeliest whole text, for causal ones."""

import shutil

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, pipeline

from probes.cloze.cloze import MASK, describe, fill
from probes.model.loading import load
from wikilm.errors import UsageError

TEXT = f"The river carries {MASK} down to the sea."


@pytest.mark.parametrize("text", [TEXT, f"{MASK} turns green.", f"Copper turns {MASK}", f"A {MASK} and a {MASK}."])
def test_a_masked_model_says_what_the_transformers_pipeline_says(tiny, masked, text):
    ours = fill(masked, text, top_k=5, candidates=1)
    peer = pipeline("fill-mask", model=str(tiny / "masked"))(text.replace(MASK, "<|mask|>"), top_k=5)
    answers = peer if isinstance(peer[0], list) else [peer]
    assert len(ours.blanks) == len(answers) == text.count(MASK)
    for blank, answer in zip(ours.blanks, answers, strict=True):
        assert [choice.id for choice in blank.choices] == [guess["token"] for guess in answer]
        told = zip(blank.choices, answer, strict=True)
        assert all(mine.token == guess["token_str"] for mine, guess in told if "\ufffd" not in guess["token_str"])
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


def test_the_text_for_people_says_how_a_causal_model_was_asked(causal):
    text = describe("causal", fill(causal, TEXT, 5, 20))
    assert "log-probability of the whole text" in text
    assert "blank at position" in text
