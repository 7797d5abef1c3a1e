"""The logit lens: each layer's own answer, of which the last is the model's."""

import pytest
import torch

from probes.generation import run_generation
from probes.generation.describe import describe
from probes.generation.layers import by_layer, layer_logits
from probes.model.loading import load
from probes.settings import GenerationSettings
from tests.helpers.families import CAUSAL, MASKED
from tests.helpers.models import make_stock
from wikilm.errors import RunError


def inputs_of(loaded):
    encoded = loaded.tokenizer("The river carries sand", return_tensors="pt")
    return {name: value for name, value in encoded.items() if loaded.takes(name)}


@pytest.mark.parametrize("name", [*CAUSAL, *MASKED])
def test_the_last_layer_says_what_the_model_says(family, name):
    loaded = family(name)
    inputs = inputs_of(loaded)
    with torch.inference_mode():
        own = loaded.ranked(loaded.model(**inputs).logits[0, [1, -1]])
    logits = layer_logits(loaded, inputs, [1, -1])
    assert logits.shape == (2, *own.shape)  # the embeddings, and one block
    torch.testing.assert_close(logits[-1], own)
    (before, _) = by_layer(loaded, logits[:, 0], 3)
    assert before.layer == 0
    assert before.candidates != by_layer(loaded, own, 3)[0].candidates


@pytest.mark.parametrize(
    ("name", "norm", "head"), [("gpt2", "transformer.ln_f", "lm_head"), ("llama", "model.norm", "lm_head")]
)
def test_each_layers_logits_are_the_head_of_the_last_norm_of_its_vectors(tiny_tokenizer, tmp_path, name, norm, head):
    make_stock(tmp_path, name, tiny_tokenizer)
    loaded = load(str(tmp_path))
    inputs = inputs_of(loaded)
    with torch.inference_mode():
        hidden = loaded.model(**inputs, output_hidden_states=True).hidden_states[:-1]  # the last is normed already
        by_hand = [loaded.model.get_submodule(head)(loaded.model.get_submodule(norm)(one))[0, -1] for one in hidden]
    assert len(by_hand) == 3
    torch.testing.assert_close(layer_logits(loaded, inputs, [-1])[:-1, 0], torch.stack(by_hand))


def test_a_bert_gives_the_vectors_of_each_layer_to_its_head(masked):
    inputs = inputs_of(masked)
    with torch.inference_mode():
        hidden = masked.model(**inputs, output_hidden_states=True).hidden_states
        by_hand = torch.stack([masked.model.cls(one)[0, 2] for one in hidden])
    torch.testing.assert_close(layer_logits(masked, inputs, [2])[:, 0], by_hand)


def test_asking_the_layers_leaves_the_model_as_it_was(causal):
    inputs = inputs_of(causal)
    before = causal.model(**inputs).logits
    assert torch.equal(layer_logits(causal, inputs, [-1]), layer_logits(causal, inputs, [-1]))
    assert torch.equal(causal.model(**inputs).logits, before)


def test_generation_shows_the_layers_and_the_last_is_its_first_step(causal):
    settings = GenerationSettings(prompts=("The river", "Bees"), max_new_tokens=3, shown=4)
    result = run_generation(causal, settings, steps=True, layers=True)
    for one in result.generations:
        assert [layer.layer for layer in one.layers] == [0, 1, 2]
        assert [c.id for c in one.layers[-1].candidates] == [c.id for c in one.steps[0].candidates]
    assert "what each layer alone would say next" in describe(result)
    assert "embeddings" in describe(result)


def test_a_model_whose_blocks_cannot_be_told_apart_is_named_in_one_line(tiny):
    loaded = load(str(tiny / "causal"))
    loaded.model.config.n_layer = 77
    with pytest.raises(RunError, match=f"^{loaded.name}: .* its layers cannot be asked$"):
        layer_logits(loaded, inputs_of(loaded), [-1])
