"""Generation: step by step and in one call the same text; it ends where it must, and padding never speaks."""

import dataclasses
import json
import math
import shutil

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from probes.generation import generate as generation
from probes.generation.decoding import continue_rows
from probes.generation.describe import describe
from probes.generation.generate import continue_prompts, run_generation
from probes.model.loading import load
from probes.output import quoted
from probes.settings import GenerationSettings
from wikilm.errors import UsageError

HOSTILE = ("The river", "a\x1b[2Jb\u202ec")
PROMPTS = ("The river", "Bees tell each", "Copper turns green in the", "7 <>& \"'")


def one(loaded, prompt, max_new_tokens, **options):
    """The continuation of one prompt."""
    (continued,) = continue_prompts(loaded, [prompt], max_new_tokens, **options)
    return continued


def prefer(model, token_id):
    """Make a GPT-2 answer one token whatever it reads: its last norm's bias points along that token's embedding."""
    with torch.no_grad():
        row = model.transformer.wte.weight[token_id]
        model.transformer.ln_f.bias.copy_(1000 * row / row.norm())


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_steps_are_the_argmax_of_full_passes(causal, prompt):
    result = one(causal, prompt, 10, shown=3)
    ids = list(result.prompt_ids)
    for step in result.steps:
        with torch.no_grad():
            probabilities = causal.model(input_ids=torch.tensor([ids])).logits[0, -1].softmax(-1)
        best = probabilities.topk(3)
        assert step.chosen == step.candidates[0]
        assert [c.id for c in step.candidates] == best.indices.tolist()
        assert [c.probability for c in step.candidates] == pytest.approx(best.values.tolist(), rel=1e-4)
        ids.append(step.chosen.id)
    assert tuple(ids[len(result.prompt_ids) :]) == result.ids
    assert result.continuation == causal.tokenizer.decode(result.ids, skip_special_tokens=True)


def test_without_steps_the_text_is_the_same(causal):
    with_steps = one(causal, "The river", 8, shown=5)
    assert dataclasses.replace(with_steps, steps=()) == one(causal, "The river", 8)


def test_where_generate_takes_another_way_the_step_and_its_margin_are_shown(causal, monkeypatch):
    ours, real = one(causal, "The river", 8, shown=5), generation.by_generate
    steps = len(ours.ids)
    other = next(c for c in ours.steps[-1].candidates if c.id != ours.ids[-1])

    def elsewhere(*args):
        ids = real(*args).clone()
        ids[:, steps - 1] = other.id
        return ids

    monkeypatch.setattr(generation, "by_generate", elsewhere)
    result = run_generation(causal, GenerationSettings(prompts=("The river",), max_new_tokens=8), steps=True)
    (continued,) = result.generations
    assert continued.ids == ours.ids
    assert (continued.parting.step, continued.parting.by_generate.id) == (steps, other.id)
    expected = math.log(ours.steps[-1].chosen.probability / other.probability)
    assert continued.parting.margin == pytest.approx(expected, abs=1e-3)
    assert not continued.parting.is_tie
    assert f"generate() takes {quoted(other.token)}" in describe(result)
    assert f"at step {steps}" in describe(result)


def test_sampling_asked_for_by_the_models_own_settings_is_ignored(tmp_path, tiny, causal):
    shutil.copytree(tiny / "causal", tmp_path, dirs_exist_ok=True)
    own = {"do_sample": True, "temperature": 9.0, "repetition_penalty": 5.0, "max_length": 3, "no_repeat_ngram_size": 1}
    (tmp_path / "generation_config.json").write_text(json.dumps(own))
    assert one(load(str(tmp_path)), "The river", 12, shown=5).ids == one(causal, "The river", 12).ids


def test_generation_ends_at_the_end_of_text(tiny):
    causal = load(str(tiny / "causal"))  # one of its own, since it is changed
    prefer(causal.model, causal.tokenizer.eos_token_id)
    result = one(causal, "The river", 8, shown=5)
    assert result.ids == (causal.tokenizer.eos_token_id,)
    assert result.ended_by == "end of text"
    assert result.continuation == ""
    assert result.tokens == ("<|endoftext|>",)


def test_padding_ids_are_never_chosen_nor_shown(tiny, tmp_path):
    shutil.copytree(tiny / "tokenizer", tmp_path, dirs_exist_ok=True)
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=448, n_positions=32, n_embd=32, n_layer=1, n_head=2))
    prefer(model, 440)
    model.save_pretrained(tmp_path)
    result = one(load(str(tmp_path)), "The river", 8, shown=448)
    assert max(result.ids) < 400
    assert all({c.id for c in step.candidates} == set(range(400)) for step in result.steps)


def test_a_prompt_that_does_not_fit_with_its_continuation_is_refused(causal):
    n = len(causal.tokenizer("The river")["input_ids"])
    assert len(one(causal, "The river", 48 - n, shown=5).ids) <= 48 - n
    with pytest.raises(UsageError, match=r"49 tokens, but .* has 48 positions"):
        one(causal, "The river", 49 - n, shown=5)


def test_an_empty_prompt_starts_at_the_beginning_of_a_text(causal):
    result = one(causal, "", 4, shown=5)
    assert result.prompt_ids == (causal.tokenizer.bos_token_id,)
    assert len(result.ids) >= 1


def test_a_masked_model_does_not_generate(masked):
    with pytest.raises(UsageError, match="use fill-mask"):
        one(masked, "The river", 4, shown=5)


def test_all_prompts_are_answered_and_no_control_character_reaches_the_terminal(causal):
    result = run_generation(causal, GenerationSettings(prompts=HOSTILE, max_new_tokens=8, shown=3), steps=True)
    assert tuple(g.prompt for g in result.generations) == HOSTILE
    text = describe(result)
    assert "generate() agrees" in text
    assert not any(c != "\n" and not c.isprintable() for c in text)
    assert 0 < result.metrics["mean_probability"] <= 1


def test_along_chosen_tokens_a_continuation_goes_on_as_from_a_prompt_with_them(causal):
    first = [7, 9]
    steered = one(causal, "The river", 8, shown=3, chosen=first)
    assert list(steered.ids[:2]) == first
    rest = continue_rows(causal, [[*steered.prompt_ids, *first]], 6, 1)[0].tolist()
    assert list(steered.ids[2:]) == rest[: len(steered.ids) - 2]
    assert [step.chosen.id for step in steered.steps] == list(steered.ids)
