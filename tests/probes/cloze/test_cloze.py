"""Blanks: what the transformers pipeline says, for masked models; the likeliest whole text, for causal ones."""

import re
import shutil

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, FillMaskPipeline, pipeline

from probes.cloze.answer import describe
from probes.cloze.cloze import MASK, fill
from probes.model.loading import load
from probes.output import json_text
from tests.helpers.families import CAUSAL, MASKED
from wikilm.errors import RunError, UsageError
from wikilm.terminal import is_unsafe

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


@pytest.mark.parametrize("text", [TEXT, f"{MASK} turns green.", f"The light{MASK}, a {MASK} of stone"])
@pytest.mark.parametrize("name", MASKED)
def test_a_masked_model_of_any_family_says_what_the_pipeline_says(family, name, text):
    loaded = family(name)
    own = text.replace(MASK, loaded.tokenizer.mask_token)
    peer = FillMaskPipeline(model=loaded.model, tokenizer=loaded.tokenizer)(own, top_k=loaded.vocab_size + 3)
    answers = peer if isinstance(peer[0], list) else [peer]
    cloze = fill(loaded, text, top_k=loaded.vocab_size)
    assert list(cloze.ids) == loaded.tokenizer(own)["input_ids"]
    assert len(cloze.blanks) == len(answers)
    for blank, answer in zip(cloze.blanks, answers, strict=True):
        scores = {guess["token"]: guess["score"] for guess in answer if guess["token"] < loaded.vocab_size}
        whole = sum(scores.values())  # the pipeline gives ids that stand for nothing their share, too
        assert {choice.id: choice.probability for choice in blank.choices} == pytest.approx(
            {token: score / whole for token, score in scores.items()}, rel=1e-3, abs=1e-9
        )
        assert cloze.tokens[blank.position] == loaded.tokenizer.mask_token


@pytest.mark.parametrize("name", MASKED)
def test_a_word_of_several_tokens_takes_as_many_masks(family, name):
    loaded = family(name)
    mask = loaded.tokenizer.mask_token
    (blank,) = fill(loaded, f"Copper turns {MASK} in the rain.", 3, words=["bronze", "rain"]).blanks
    for choice in blank.choices[3:]:
        tokens = loaded.tokenizer(f"Copper turns {choice.word} in the rain.")["input_ids"]
        masks = loaded.tokenizer(f"Copper turns {' '.join([mask] * len(choice.ids))} in the rain.")["input_ids"]
        assert len(tokens) == len(masks)
        with torch.inference_mode():
            shares = loaded.model(input_ids=torch.tensor([masks])).logits[0, :, : loaded.vocab_size].softmax(-1)
        places = [n for n, i in enumerate(masks) if i == loaded.tokenizer.mask_token_id]
        assert choice.ids == tuple(tokens[n] for n in places)
        assert choice.probability == pytest.approx(np.prod([float(shares[n, tokens[n]]) for n in places]), rel=1e-3)
    assert {"bronze", "rain"} <= {choice.word for choice in blank.choices}
    assert any(len(choice.ids) > 1 for choice in blank.choices), "the vocabulary has no bronze"


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


def test_candidates_of_a_causal_model_keep_the_space_that_the_text_has(causal):
    after_space = fill(causal, f"Copper turns {MASK} in the rain.", 10, 200).blanks[0].choices
    assert all(choice.token.startswith(" ") for choice in after_space)
    within_word = fill(causal, f"Copper tur{MASK} in the rain.", 10, 200).blanks[0].choices
    assert all(choice.token.startswith(" tur") or not choice.token.startswith(" ") for choice in within_word)
    assert {"n", "ns"} & {choice.word for choice in within_word}


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
    text = describe(fill(causal, TEXT, 5, 20))
    assert "the whole text is scored from left to right" in text
    assert "blank at position" in text


@pytest.mark.parametrize("word", ["", " ", "\t"])
@pytest.mark.parametrize("name", [*MASKED, *CAUSAL])
def test_a_word_that_no_token_stands_for_is_refused(family, name, word):
    with pytest.raises(UsageError, match=r"^--word .*; give another$"):
        fill(family(name), "Copper [MASK].", 3, words=["rain", word])


def test_a_word_of_which_a_tokenizer_leaves_nothing_is_refused(family):
    with pytest.raises(UsageError, match=r'^--word "\N{SYMBOL FOR START OF HEADING}": no token of '):
        fill(family("bert"), "Copper [MASK].", 3, words=["\x01"])


HOSTILE = f"\x1b[31mThe\u202e river\x07\x9b carries {MASK} down\ud800 \r\n"


def test_what_a_text_holds_does_nothing_to_a_terminal(masked, causal):
    for model in (masked, causal):
        cloze = fill(model, HOSTILE.replace("\ud800", ""), 5, words=["\x1b]0;title\x07"])
        assert not any(is_unsafe(character) for character in describe(cloze).replace("\n", ""))
        assert not any(is_unsafe(character) for character in json_text(cloze).replace("\n", ""))


def test_what_a_tokenizer_cannot_read_is_one_line_with_the_models_name(masked, causal):
    for model in (masked, causal):
        with pytest.raises(RunError, match=re.escape(model.name)):
            fill(model, HOSTILE, 5)


def test_the_last_layer_of_a_masked_model_says_what_the_model_says(masked, causal):
    (blank,) = fill(masked, "The [MASK] carries sand.", 3, layers=True).blanks
    assert [layer.layer for layer in blank.layers] == [0, 1, 2]
    own = [(c.id, c.token, c.probability) for c in blank.choices]
    assert [(c.id, c.token, pytest.approx(c.probability)) for c in blank.layers[-1].candidates] == own
    assert "what each layer alone would say there" in describe(fill(masked, "The [MASK].", 3, layers=True))
    with pytest.raises(UsageError, match=r"^--layers: .* generate --layers"):
        fill(causal, "The [MASK].", 3, layers=True)
