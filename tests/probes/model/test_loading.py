"""What is known of a loaded model: how long an input it takes, where its inputs belong, what it raises."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM

from probes.model.loading import LoadedModel
from probes.settings import Machine

TINY = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 50}
UNKNOWN = SimpleNamespace(model_max_length=int(1e30))  # of a tokenizer that names no limit
# Model type, other settings, and the tokens of the longest input. A learned table of positions ends there.
LEARNED = [
    ("gpt2", {"n_positions": 20}, 20),
    ("opt", {"max_position_embeddings": 20, "ffn_dim": 16, "word_embed_proj_dim": 16}, 20),
    ("bert", {"max_position_embeddings": 20}, 20),
    ("roberta", {"max_position_embeddings": 20, "pad_token_id": 1}, 18),
    ("xlm-roberta", {"max_position_embeddings": 20, "pad_token_id": 1}, 18),
    ("camembert", {"max_position_embeddings": 20, "pad_token_id": 3}, 16),
    ("distilbert", {"max_position_embeddings": 20, "dim": 16, "n_heads": 2, "n_layers": 1, "hidden_dim": 16}, 20),
]
WITHOUT_LIMIT = [("mamba", {"state_size": 4}), ("bloom", {"n_head": 2})]


def tiny(kind, own):
    """A random model of a type, as if it had been loaded."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **(TINY | {"bos_token_id": 0, "eos_token_id": 0} | own))
    auto = AutoModelForMaskedLM if "bert" in kind else AutoModelForCausalLM
    return LoadedModel(kind, "causal", Path(kind), auto.from_config(config).eval(), UNKNOWN)


@pytest.mark.parametrize(("kind", "own", "longest"), LEARNED, ids=[kind for kind, *_ in LEARNED])
def test_the_longest_input_is_the_longest_that_the_model_computes(kind, own, longest):
    loaded = tiny(kind, own)
    assert loaded.positions == longest
    loaded.model(input_ids=torch.full((1, longest), 7))
    with pytest.raises((IndexError, RuntimeError)):
        loaded.model(input_ids=torch.full((1, longest + 1), 7))


@pytest.mark.parametrize(("kind", "own"), WITHOUT_LIMIT, ids=["mamba", "bloom"])
def test_a_model_without_positions_has_no_limit(kind, own):
    assert tiny(kind, own).positions is None


def test_a_tokenizer_may_know_a_smaller_limit():
    loaded = tiny("gpt2", {"n_positions": 20})
    assert LoadedModel("x", "causal", Path("x"), loaded.model, SimpleNamespace(model_max_length=9)).positions == 9


def test_weights_are_taken_in_the_numbers_asked_for(tiny_tokenizer, tmp_path):
    from probes.model import load
    from tests.helpers.models import make_stock

    make_stock(tmp_path / "model", "gpt2", tiny_tokenizer)
    for dtype, wanted in (("auto", torch.float32), ("bfloat16", torch.bfloat16), ("float16", torch.float16)):
        loaded = load(str(tmp_path / "model"), Machine("cpu", dtype))
        assert {p.dtype for p in loaded.model.parameters()} == {wanted}
        assert loaded.ranked(loaded.model(input_ids=loaded.tensor([[1, 2]])).logits).dtype == torch.float32
