"""Generation in batches: each text is continued as if it were alone, whatever stands beside it."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from transformers import MambaConfig, MambaForCausalLM

from probes.generation import decoding
from probes.generation.choosing import Decoding
from probes.generation.decoding import continue_rows
from probes.generation.generate import continue_prompts
from probes.generation.reference import parting
from probes.model.loading import load
from tests.helpers.families import CAUSAL
from wikilm.limits import OutOfMemory

PROMPTS = ("The river", "A", "The lighthouse keeper counted the ships", "", "Copper", "A river")
DECODINGS = (Decoding(), Decoding(temperature=1.5, seed=7))


@pytest.fixture(scope="module")
def mamba(tmp_path_factory, family):
    folder = tmp_path_factory.mktemp("mamba")
    tokenizer = family("gpt_neox").tokenizer
    ids = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    torch.manual_seed(0)
    config = MambaConfig(vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, state_size=4, **ids)
    MambaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return load(str(folder))


@pytest.mark.parametrize("decoding", DECODINGS, ids=["greedy", "drawn"])
@pytest.mark.parametrize("name", CAUSAL)
def test_prompts_of_all_lengths_side_by_side_are_continued_as_each_alone(family, name, decoding):
    loaded = family(name)
    together = continue_prompts(loaded, PROMPTS, 6, decoding, shown=1)
    assert [one.prompt for one in together] == list(PROMPTS)
    for one in together:
        (alone,) = continue_prompts(loaded, [one.prompt], 6, decoding)
        parted = parting(loaded, one.prompt_ids, alone.ids, one.ids)
        assert parted is None or parted.is_tie
        assert one.parting is None or one.parting.is_tie  # from generate()


@pytest.mark.parametrize("name", CAUSAL)
def test_each_step_has_the_probabilities_of_a_pass_over_the_whole_text(family, name):
    loaded = family(name)
    for one in continue_prompts(loaded, PROMPTS[:3], 4, shown=3):
        ids = list(one.prompt_ids)
        for step in one.steps:
            with torch.inference_mode():
                shares = loaded.ranked(loaded.model(input_ids=torch.tensor([ids])).logits[0, -1]).softmax(-1)
            expected = shares[[c.id for c in step.candidates]].tolist()
            assert [c.probability for c in step.candidates] == pytest.approx(expected, rel=1e-3)
            ids.append(step.chosen.id)


def test_a_model_that_keeps_a_state_reads_no_padding(mamba):
    assert not decoding.can_pad(mamba)
    for one in continue_prompts(mamba, PROMPTS, 6, shown=5):
        (alone,) = continue_prompts(mamba, [one.prompt], 6)
        assert (one.ids, one.parting) == (alone.ids, None)


def test_a_continuation_is_the_text_that_was_added_to_the_prompt(family):
    for name in ("llama", "gpt2"):
        for one in continue_prompts(family(name), PROMPTS, 6):
            whole = family(name).decode([*one.prompt_ids, *one.ids], special=False)
            assert whole.endswith(one.continuation)


def test_rows_are_continued_past_the_end_of_a_text(causal):
    rows = np.full((3, 4), causal.tokenizer.eos_token_id)
    assert continue_rows(causal, rows, 5, 2).shape == (3, 5)


def test_where_memory_runs_out_batches_become_smaller_and_answers_stay(causal, monkeypatch):
    expected, real, sizes = continue_prompts(causal, PROMPTS, 6), decoding.decode, []

    def decode(loaded, ids, *rest):
        sizes.append(len(ids))
        if len(ids) > 2:
            raise OutOfMemory("too much")
        return real(loaded, ids, *rest)

    monkeypatch.setattr("probes.generation.generate.decode", decode)
    assert [one.ids for one in continue_prompts(causal, PROMPTS, 6)] == [one.ids for one in expected]
    assert all(a >= b for a, b in pairwise(sizes))
    assert sizes[0] == len(PROMPTS)
