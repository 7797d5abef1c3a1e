"""Each token of a text has the loss that a plain loop gives it, and the characters that it stands for."""

import math

import pytest
import torch

from probes.likelihood.perplexity import perplexity
from probes.likelihood.token_losses import describe, token_losses
from wikilm.errors import UsageError

TEXT = "The river carries  sand, ü and 日本."


def logs(loaded, ids: list[int], place: int) -> torch.Tensor:
    with torch.no_grad():
        return loaded.model(input_ids=torch.tensor([ids])).logits[0, place].log_softmax(-1)


def test_a_causal_model_reads_from_the_left(causal):
    result = token_losses(causal, TEXT)
    ids = [one.id for one in result.tokens]
    assert ids == causal.tokenizer(TEXT)["input_ids"]
    for place, one in enumerate(result.tokens):
        said = logs(causal, [causal.start_id, *ids[:place]], -1)
        assert one.nats == pytest.approx(-said[one.id].item(), rel=1e-4)
        assert one.probability == pytest.approx(math.exp(-one.nats))
        assert abs(one.rank - int((said >= said[one.id]).sum())) <= 1, "near ties may fall either way"
    assert result.nats == pytest.approx(perplexity(causal, [TEXT]).nats, rel=1e-5)


def test_a_masked_model_sees_all_other_tokens(masked):
    result = token_losses(masked, TEXT)
    ids = masked.tokenizer(TEXT)["input_ids"]
    own = [place for place, i in enumerate(ids) if i not in masked.tokenizer.all_special_ids]
    assert [one.id for one in result.tokens] == [ids[place] for place in own]
    for place, one in zip(own, result.tokens, strict=True):
        shown = [*ids[:place], masked.tokenizer.mask_token_id, *ids[place + 1 :]]
        assert one.nats == pytest.approx(-logs(masked, shown, place)[one.id].item(), rel=1e-4)


@pytest.mark.parametrize("kind", ["causal", "masked"])
def test_the_characters_of_all_tokens_make_the_text(kind, request):
    result = token_losses(request.getfixturevalue(kind), TEXT)
    ends = [0, *(one.end for one in result.tokens)]
    assert ends[-1] == len(TEXT)
    assert all(one.start <= before for before, one in zip(ends, result.tokens, strict=False)), (
        "no character is left out"
    )
    assert all(0 <= one.start <= one.end <= len(TEXT) for one in result.tokens)
    assert describe(result).count("\n") == len(result.tokens) + 2


def test_a_long_text_is_read_in_windows_by_a_causal_model_alone(causal, masked):
    text = "The river carries sand. " * 60
    assert len(token_losses(causal, text).tokens) > (causal.positions or 0)
    with pytest.raises(UsageError, match=r"--text: .* positions"):
        token_losses(masked, text)


def test_a_text_without_tokens_is_refused(causal):
    with pytest.raises(UsageError, match="no token"):
        token_losses(causal, "")
