"""An answer is scored as a plain loop over its tokens scores it, and ranked among all tokens of the vocabulary."""

import copy
import dataclasses

import pytest
import torch

from probes.cloze.answer_score import score_answer
from probes.model.loading import load
from tests.helpers.models import make_causal
from wikilm.errors import RunError, UsageError

TEXT = "The river carries [MASK] to the sea."
ANSWERS = ("sand", "the boats of the valley")


def log_probabilities(loaded, ids: list[int], place: int) -> torch.Tensor:
    with torch.no_grad():
        return loaded.model(input_ids=torch.tensor([ids])).logits[0, place].log_softmax(-1)


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_causal_model_scores_an_answer_from_its_left_side(causal, answer):
    found = score_answer(causal, TEXT, answer, "here")
    left = "The river carries"
    before, whole = (causal.tokenizer(text)["input_ids"] for text in (left, f"{left} {answer}"))
    logs = [log_probabilities(causal, whole[:n], -1)[whole[n]].item() for n in range(len(before), len(whole))]
    assert list(found.ids) == whole[len(before) :]
    assert found.nats == pytest.approx(-sum(logs), rel=1e-4)
    blank = log_probabilities(causal, before, -1)
    assert found.rank == 1 + sum(blank[i] >= sum(logs) - 1e-6 for i in range(len(blank)) if [i] != list(found.ids))
    assert found.guesses[0].token == causal.show(int(blank.argmax()))
    assert (found.left, found.right) == (before[-1], causal.tokenizer(" to")["input_ids"][0])


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_masked_model_scores_an_answer_from_both_sides_and_from_left_to_right(masked, answer):
    found = score_answer(masked, TEXT, answer, "here")
    ids, mask = masked.tokenizer(TEXT.replace("[MASK]", answer))["input_ids"], masked.tokenizer.mask_token_id
    first = next(n for n in range(len(ids)) if tuple(ids[n : n + len(found.ids)]) == found.ids)
    last, nats = first + len(found.ids), 0.0
    for place in range(first, last):
        shown = [*ids[:place], *[mask] * (last - place), *ids[last:]]
        nats -= log_probabilities(masked, shown, place)[ids[place]].item()
    assert found.nats == pytest.approx(nats, rel=1e-4)
    blank = log_probabilities(masked, [*ids[:first], mask, *ids[last:]], first)
    assert found.rank == 1 + sum(blank[i] >= -nats - 1e-6 for i in range(len(blank)) if [i] != list(found.ids))


def test_an_answer_may_begin_a_text_or_end_it(causal, masked):
    for loaded in (causal, masked):
        start = score_answer(loaded, "[MASK] carries sand.", "Rain", "here")
        end = score_answer(loaded, "The river carries [MASK]", "sand", "here")
        assert start.left == end.right == -1
        assert start.nats > 0 < end.nats


def test_a_model_of_equal_scores_knows_nothing(tmp_path, causal):
    make_causal(tmp_path / "flat", causal.tokenizer)
    loaded = load(str(tmp_path / "flat"))
    with torch.no_grad():
        loaded.model.transformer.ln_f.weight.zero_()
        loaded.model.transformer.ln_f.bias.zero_()
    found = score_answer(loaded, TEXT, "sand", "here")
    assert found.rank >= loaded.vocab_size, "level tokens count against the model"


def test_a_text_too_long_is_refused_by_its_place(causal, masked):
    for loaded in (causal, masked):
        with pytest.raises(UsageError, match=r"a.jsonl: line 3: .* positions"):
            score_answer(loaded, "sand " * 99 + "[MASK]", "sea", "a.jsonl: line 3")


def test_a_masked_model_without_a_mask_token_cannot_answer(masked):
    tokenizer = copy.deepcopy(masked.tokenizer)
    tokenizer.mask_token = None
    with pytest.raises(RunError, match="no mask token"):
        score_answer(dataclasses.replace(masked, tokenizer=tokenizer), TEXT, "sand", "here")
