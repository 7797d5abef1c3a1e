"""Blanks filled by a causal model, against a scorer that reads each whole text by itself, for every family."""

import math

import pytest
import torch

from probes.cloze.answer import describe
from probes.cloze.cloze import fill
from probes.model.device import NUMBERS_AT_A_TIME
from probes.settings import MASK
from tests.helpers.families import CAUSAL
from wikilm.errors import RunError

TEXTS = (
    f"The river carries {MASK} down to the sea.",
    f"The old bridge was built of {MASK}.",
    f"{MASK} turns green in the rain.",
    f"Copper turns {MASK}",
    f"The light{MASK} keeper",
    f"A {MASK}s until dusk",
)
ALL = 100_000


def read(loaded, text, led):
    """The ids of a text as its own tokenizer writes it, and the log-probability of each: no batch, no cache.

    `led`: whether the start of a text goes ahead, as it must where a blank has nothing to its left.
    """
    ids = [*([loaded.start_id] if led else []), *loaded.tokenizer(text)["input_ids"]]
    with torch.inference_mode():
        logs = loaded.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].float()
    logs = logs[:-1, : loaded.vocab_size].log_softmax(-1)
    return ids, logs.gather(-1, torch.tensor(ids[1:])[:, None])[:, 0].tolist()


def is_led(loaded, text):
    return text.startswith(MASK) and not loaded.tokenizer("")["input_ids"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", [*CAUSAL, "mamba"])  # whose states are no keys and values
def test_every_word_has_the_log_probability_of_the_whole_text_with_it(family, name, text):
    loaded = family(name)
    left, rescored = fill(loaded, text, ALL).blanks[0].readings
    assert (left.name, rescored.name) == ("left", "rescored")
    assert left.compared == left.fitting == len(left.choices) == len(rescored.choices)
    scores = [choice.text_log_probability for choice in rescored.choices]
    assert scores == sorted(scores, reverse=True)
    assert sum(choice.probability for choice in rescored.choices) == pytest.approx(1, abs=1e-4)
    sampled = {*range(5), *range(5, len(scores), 9)}
    for n in sampled:
        choice = rescored.choices[n]
        ids, logs = read(loaded, text.replace(MASK, choice.word), is_led(loaded, text))
        assert choice.text_log_probability == pytest.approx(sum(logs), abs=1e-3)
        assert choice.ids[0] in ids
        assert choice.probability == pytest.approx(
            rescored.choices[0].probability * math.exp(scores[n] - scores[0]), rel=1e-3
        )


@pytest.mark.parametrize("text", TEXTS[:4])
@pytest.mark.parametrize("name", CAUSAL)
def test_the_left_reading_has_the_probability_of_the_next_token(family, name, text):
    loaded = family(name)
    cloze = fill(loaded, text, 9)
    blank = cloze.blanks[0]
    context = torch.tensor([cloze.ids[: blank.position]])
    with torch.inference_mode():
        logits = loaded.model(input_ids=context).logits[0, -1, : loaded.vocab_size]
    shares = logits.softmax(-1)
    for choice in blank.readings[0].choices:
        assert choice.probability == pytest.approx(float(shares[choice.id]), rel=1e-3)


@pytest.mark.parametrize("name", CAUSAL)
@pytest.mark.parametrize("text", [TEXTS[0], TEXTS[2]])
def test_every_entry_that_stands_in_the_blank_as_one_token_is_compared(family, name, text):
    """By the names in the vocabulary: word-initial ones after a space, and at the start as the tokenizer has it."""
    loaded = family(name)
    found = {choice.id for choice in fill(loaded, text, ALL).blanks[0].choices}
    at_start = text.startswith(MASK) and name != "llama"  # byte-level BPE writes no space before the first word
    expected = set()
    for entry, i in loaded.tokenizer.get_vocab().items():
        word = entry.lstrip("Ġ▁")
        if not word.isascii() or not word.isalpha() or (word == entry) is not at_start:
            continue
        if i in loaded.tokenizer(text.replace(MASK, word))["input_ids"]:
            expected.add(i)
    assert len(expected) > 20
    assert expected <= found
    assert not any(i in found for i in loaded.tokenizer.all_special_ids)


@pytest.mark.parametrize("name", CAUSAL)
def test_words_of_several_tokens_are_scored_as_a_whole(family, name):
    loaded = family(name)
    text = f"The old bridge was built of {MASK}, I think."
    for reading in fill(loaded, text, 2, words=("granite", "stone")).blanks[0].readings:
        assert [choice.rank for choice in reading.choices[:2]] == [1, 2]
        given = {choice.word: choice for choice in reading.choices}
        assert len(given["granite"].ids) > 1
        assert given["granite"].id == given["granite"].ids[0]
        assert given["granite"].token.strip().startswith("granite")  # a piece of Llama's may have the comma in it
        for word in ("granite", "stone"):
            _, logs = read(loaded, text.replace(MASK, word), led=False)
            assert given[word].text_log_probability == pytest.approx(sum(logs), abs=1e-3)


@pytest.mark.parametrize("name", CAUSAL)
def test_several_blanks_are_filled_one_after_the_other_with_the_text_between_as_it_stands(family, name):
    loaded = family(name)
    text = f"{MASK} old {MASK} was built, {MASK}."
    cloze = fill(loaded, text, 1)
    done = text.split(MASK)[0]
    for blank, after in zip(cloze.blanks, text.split(MASK)[1:], strict=True):
        choice = blank.choices[0]
        _, logs = read(loaded, (done + choice.word + after).rstrip(" "), is_led(loaded, text))
        assert choice.text_log_probability == pytest.approx(sum(logs), abs=1e-3)
        done += choice.word + after
    assert cloze.filled == done
    assert list(cloze.ids) == read(loaded, done, is_led(loaded, text))[0]
    assert [cloze.tokens[blank.position] for blank in cloze.blanks] == [MASK] * 3
    assert cloze.tokens.count(MASK) == 3


@pytest.mark.parametrize("spelling", ["<mask>", "[MASK]", "<|mask|>"])
def test_a_blank_is_written_in_any_usual_way(causal, spelling):
    assert fill(causal, f"Copper turns {spelling}.", 3).blanks == fill(causal, f"Copper turns {MASK}.", 3).blanks


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_what_is_left_out_is_told_and_decided_only_where_nothing_can_be_better(family, name):
    loaded = family(name)
    decided = 0
    for text in TEXTS[:3]:
        left_best, best = (reading.choices[0] for reading in fill(loaded, text, 1).blanks[0].readings)
        for some in (1, 20):
            cloze = fill(loaded, text, 3, candidates=some)
            left, rescored = cloze.blanks[0].readings
            assert rescored.compared == some < rescored.fitting
            assert 0 < rescored.mass < 1
            assert left.choices[0].ids == left_best.ids
            if rescored.decided:
                assert rescored.choices[0].ids == best.ids
            decided += rescored.decided
            told = describe(cloze)
            assert f"{some} of the {rescored.fitting} words that fit, with {100 * rescored.mass:.2f} %" in told
            assert ("NOT DECIDED" in told) is not rescored.decided
    assert decided < 6, "these models prefer no word so clearly that one candidate is enough"


def test_a_bound_decides_where_the_rest_of_the_text_is_certain(causal):
    """With nothing to its right, the likeliest next word makes the likeliest text."""
    reading = fill(causal, f"Copper turns {MASK}", 3, candidates=1).blanks[0].readings[1]
    assert reading.decided
    assert reading.mass < 1


def test_a_large_model_compares_fewer_words_and_never_less_than_two_hundred(causal, monkeypatch):
    monkeypatch.setattr("probes.cloze.causal._WORK", 1)
    monkeypatch.setattr("probes.cloze.causal._FEWEST", 30)
    assert fill(causal, f"Copper turns {MASK} in the rain.", 3).blanks[0].readings[1].compared == 30


def test_without_any_cache_the_scores_are_the_same(causal, monkeypatch):
    text = f"Copper turns {MASK} in the rain."
    cached = fill(causal, text, 20).blanks[0].choices
    monkeypatch.setattr("probes.cloze.scoring.DynamicLayer", int)
    plain = fill(causal, text, 20).blanks[0].choices
    assert [choice.ids for choice in plain] == [choice.ids for choice in cached]
    assert [c.text_log_probability for c in plain] == pytest.approx([c.text_log_probability for c in cached], abs=1e-4)


def test_in_batches_of_any_size_the_scores_are_the_same(causal, monkeypatch):
    text = f"Copper turns {MASK} in the rain."
    at_once = fill(causal, text, 20).blanks[0].choices
    monkeypatch.setitem(NUMBERS_AT_A_TIME, "cpu", 10_000)
    one_by_one = fill(causal, text, 20).blanks[0].choices
    assert [choice.ids for choice in one_by_one] == [choice.ids for choice in at_once]


def test_a_blank_that_no_entry_fits_asks_for_words(causal, monkeypatch):
    monkeypatch.setattr("probes.cloze.candidates.vocabulary_words", lambda _: [])
    with pytest.raises(RunError, match="no token of its vocabulary fits the blank; give words with --word"):
        fill(causal, TEXTS[0], 3)
    assert fill(causal, TEXTS[0], 3, words=["sand"]).blanks[0].choices[0].word == "sand"
