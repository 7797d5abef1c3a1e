"""A sample goes on from its prompt, as far as the context reaches, on one line; the model is left as it was."""

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from train.progress.sample import NEW_TOKENS, TOP_K, sample
from train.settings import OBJECTIVES, Objective

LOADERS = {"causal": AutoModelForCausalLM, "masked": AutoModelForMaskedLM}
PROMPTS = {"causal": "The river", "masked": "The [MASK] was built of [MASK]."}


def loaded(tiny: Path, objective: Objective):
    return LOADERS[objective].from_pretrained(tiny / objective), AutoTokenizer.from_pretrained(tiny / "tokenizer")


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_model_is_left_in_its_mode_and_answers_without_dropout(
    tiny: Path, objective: Objective, training: bool
) -> None:
    model, tokenizer = loaded(tiny, objective)
    model.train(training)
    texts = {sample(model, tokenizer, objective, PROMPTS[objective]) for _ in range(3)}
    assert len(texts) == 1
    assert model.training == training


def test_a_causal_model_goes_on_from_the_prompt(tiny: Path) -> None:
    model, tokenizer = loaded(tiny, "causal")
    text = sample(model, tokenizer, "causal", "The river")
    assert text.startswith("The river")
    assert len(tokenizer(text)["input_ids"]) <= len(tokenizer("The river")["input_ids"]) + NEW_TOKENS


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_prompt_longer_than_the_context_is_cut_to_it(tiny: Path, objective: Objective) -> None:
    model, tokenizer = loaded(tiny, objective)
    assert sample(model, tokenizer, objective, PROMPTS[objective] * 40)


def test_a_masked_model_names_its_likeliest_tokens_for_each_mask(tiny: Path) -> None:
    model, tokenizer = loaded(tiny, "masked")
    prompt = PROMPTS["masked"]
    told = sample(model, tokenizer, "masked", prompt).removeprefix(f"{prompt} -> ").split(" | ")
    assert len(told) == 2
    for guesses in told:
        chances = [float(guess.rpartition(" ")[2]) for guess in guesses.split(", ")]
        assert len(chances) == TOP_K
        assert chances == sorted(chances, reverse=True)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_no_token_controls_the_terminal(tiny: Path, objective: Objective) -> None:
    model, tokenizer = loaded(tiny, objective)
    text = sample(model, tokenizer, objective, f"{PROMPTS[objective]}\x1b[2J\n\u202e")
    assert text.isprintable()
