"""A pass that leaves each token out for itself gives what as many passes with that one token masked give."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.training import TOKENIZER, make_settings
from train.model.build import build
from train.model.left_out import attended_left_out
from train.model.loss import SummedLoss, bert_states_at

TOKENS = 12


def bert(seed=0, dropout=0.0):
    settings = make_settings("masked", layers=1, heads=2, width=16, seed=seed, dropout=dropout)
    model = build("masked", settings, TOKENIZER, TOKENS)
    with torch.no_grad():  # weights that say something
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.3)
    return model


@given(seed=st.integers(0, 99), share=st.floats(0, 1))
def test_each_state_is_that_of_a_pass_with_this_token_masked_and_the_others_as_they_are(
    seed: int, share: float
) -> None:
    model = bert(seed).eval()
    ids = torch.randint(0, TOKENIZER.vocab_size, (2, TOKENS), generator=torch.Generator().manual_seed(seed))
    ids[torch.rand(ids.shape) < share] = TOKENIZER.mask_id  # masks that are there stay
    everywhere = torch.arange(2 * TOKENS)
    with torch.no_grad():
        found = bert_states_at(model.bert, ids, everywhere, TOKENIZER.mask_id).view(2, TOKENS, -1)
        for place in range(TOKENS):
            masked = ids.clone()
            masked[:, place] = TOKENIZER.mask_id
            expected = model.bert(masked).last_hidden_state[:, place]
            assert torch.allclose(found[:, place], expected, atol=1e-4)


def test_no_gradient_reaches_a_token_through_what_it_predicts_itself() -> None:
    model = bert().eval()
    ids = torch.arange(TOKENS)[None]
    attended_left_out(model.bert, ids, TOKENIZER.mask_id)[0, 3].sum().backward()
    reached = model.bert.embeddings.word_embeddings.weight.grad.abs().sum(1) > 0
    assert not reached[3]
    assert reached[TOKENIZER.mask_id]
    assert reached[[0, 2, 4, TOKENS - 1]].all()


def test_the_loss_is_the_sum_over_single_masks() -> None:
    model = bert().eval()
    ids = torch.arange(TOKENS)[None]
    model.requires_grad_(False)
    loss = SummedLoss(model, "masked", left_out=TOKENIZER.mask_id)(ids, torch.arange(TOKENS), ids[0])
    single = 0.0
    for place in range(TOKENS):
        masked = ids.clone()
        masked[0, place] = TOKENIZER.mask_id
        single += float(torch.nn.functional.cross_entropy(model(masked).logits[0, place], ids[0, place]))
    assert float(loss) == pytest.approx(single, rel=1e-4)


def test_dropout_drops_in_training_alone() -> None:
    model = bert(dropout=0.5)
    ids = torch.arange(TOKENS)[None]
    drops = [attended_left_out(model.train().bert, ids, TOKENIZER.mask_id) for _ in range(2)]
    keeps = [attended_left_out(model.eval().bert, ids, TOKENIZER.mask_id) for _ in range(2)]
    assert not torch.equal(*drops)
    assert torch.equal(*keeps)


def test_all_is_refused_where_a_second_layer_would_see_the_token() -> None:
    with pytest.raises(Exception, match="predict must be masked where there are more layers than one"):
        make_settings("masked", layers=2, predict="all")
