"""The head sees the vectors of the places that are asked about, and says of them what it says beside all others."""

import pytest
import torch

from probes.model.head import only_at
from tests.helpers.families import CAUSAL, MASKED

IDS = torch.tensor([[5, 9, 6, 7, 11, 8], [8, 6, 5, 10, 7, 9]])
PLACES = torch.tensor([[False, True, False, False, True, False], [True, False, False, False, False, False]])


@pytest.mark.parametrize("name", [*CAUSAL, *MASKED, "mamba"])
def test_the_logits_of_some_places_are_those_that_they_have_among_all(family, name):
    loaded = family(name)
    seen = []
    hook = loaded.model.get_output_embeddings().register_forward_hook(lambda _, __, out: seen.append(out.shape[:-1]))
    try:
        found = loaded.logits_at(IDS, PLACES)
    finally:
        hook.remove()
    assert seen == [(1, 3)], "the head has seen other places, too"
    torch.testing.assert_close(found, loaded.logits(IDS)[PLACES], rtol=1e-4, atol=1e-5)


def test_other_texts_than_the_places_are_of_are_left_as_they_are(causal):
    with only_at(causal.model, PLACES[:, :4]), torch.inference_mode():
        assert causal.model(input_ids=IDS).logits.equal(causal.logits(IDS))


def test_all_places_are_one_long_text(causal):
    every = PLACES.new_ones(2, 6)
    with only_at(causal.model, every), torch.inference_mode():
        logits = causal.model(input_ids=IDS).logits
    assert logits.shape[:2] == (1, 12)
    torch.testing.assert_close(logits[0], causal.logits(IDS)[every])


def test_a_pass_that_fails_leaves_the_model_as_it_was(causal):
    with pytest.raises(ZeroDivisionError), only_at(causal.model, PLACES):
        raise ZeroDivisionError
    assert causal.logits(IDS).shape[:2] == IDS.shape


def test_a_model_that_names_no_layer_for_logits_is_left_as_it_is(causal):
    base = causal.model.base_model
    assert base.get_output_embeddings() is None
    with only_at(base, PLACES), torch.inference_mode():
        assert base(input_ids=IDS).last_hidden_state.shape[:2] == IDS.shape
