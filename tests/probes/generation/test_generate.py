"""Greedy generation: step by step and in one call the same text; it ends where it must, and padding never speaks."""

import dataclasses
import json
import shutil

import pytest
import torch
from probes.generation.greedy import describe, generate, run_generation
from transformers import GPT2Config, GPT2LMHeadModel

from probes.generation import greedy as generation
from probes.model.loading import load
from wikilm.errors import RunError, UsageError

PROMPTS = ("The river", "Bees tell each", "Copper turns green in the", "7 <>& \"'")


def prefer(model, token_id):
    """Make a GPT-2 answer one token whatever it reads: its last norm's bias points along that token's embedding."""
    with torch.no_grad():
        row = model.transformer.wte.weight[token_id]
        model.transformer.ln_f.bias.copy_(1000 * row / row.norm())


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_steps_are_the_argmax_of_full_passes(causal, prompt):
    result = generate(causal, prompt, 10, top_k=3, steps=True)
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
    with_steps = generate(causal, "The river", 8, 5, steps=True)
    assert dataclasses.replace(with_steps, steps=()) == generate(causal, "The river", 8, 5, steps=False)


def test_a_disagreement_of_the_two_is_an_error(causal, monkeypatch):
    last, real = len(generate(causal, "The river", 8, 5, steps=True).ids), generation._generate
    monkeypatch.setattr(generation, "_generate", lambda *args: [*real(*args)[:-1], 0])
    with pytest.raises(RunError, match=f"disagree from new token {last} on"):
        generate(causal, "The river", 8, 5, steps=True)


def test_sampling_asked_for_by_the_models_own_settings_is_ignored(tmp_path, tiny, causal):
    shutil.copytree(tiny / "causal", tmp_path, dirs_exist_ok=True)
    own = {"do_sample": True, "temperature": 9.0, "repetition_penalty": 5.0, "max_length": 3, "no_repeat_ngram_size": 1}
    (tmp_path / "generation_config.json").write_text(json.dumps(own))
    assert (
        generate(load(str(tmp_path)), "The river", 12, 5, steps=True).ids
        == generate(causal, "The river", 12, 5, steps=True).ids
    )


def test_generation_ends_at_the_end_of_text(tiny):
    causal = load(str(tiny / "causal"))  # one of its own, since it is changed
    prefer(causal.model, causal.tokenizer.eos_token_id)
    result = generate(causal, "The river", 8, 5, steps=True)
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
    result = generate(load(str(tmp_path)), "The river", 8, top_k=448, steps=True)
    assert max(result.ids) < 400
    assert all({c.id for c in step.candidates} == set(range(400)) for step in result.steps)


def test_a_prompt_that_does_not_fit_with_its_continuation_is_refused(causal):
    n = len(causal.tokenizer("The river")["input_ids"])
    assert len(generate(causal, "The river", 48 - n, 5, steps=True).ids) <= 48 - n
    with pytest.raises(UsageError, match=r"49 tokens, but .* has 48 positions"):
        generate(causal, "The river", 49 - n, 5, steps=True)


def test_an_empty_prompt_starts_at_the_beginning_of_a_text(causal):
    result = generate(causal, "", 4, 5, steps=True)
    assert result.prompt_ids == (causal.tokenizer.bos_token_id,)
    assert len(result.ids) >= 1


def test_a_masked_model_does_not_generate(masked):
    with pytest.raises(UsageError, match="use fill-mask"):
        generate(masked, "The river", 4, 5, steps=True)


def test_all_prompts_are_answered_and_no_control_character_reaches_the_terminal(causal):
    result = run_generation(causal, ("The river", "a\x1b[2Jb\u202ec"), 8, 3, steps=True)
    assert [g.prompt for g in result.generations] == ["The river", "a\x1b[2Jb\u202ec"]
    text = describe(result)
    assert "generate() agrees" in text
    assert not any(c != "\n" and not c.isprintable() for c in text)
    assert 0 < result.metrics["mean_probability"] <= 1
