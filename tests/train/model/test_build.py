"""A model's context is the chunk length, its vocabulary the tokenizer's, and the rest what the settings say."""

from pathlib import Path

import pytest
import torch
from transformers import AutoConfig
from transformers.activations import ACT2FN, GELUActivation

from tests.helpers.training import SHAPE, TOKENIZER, make_settings
from train.model.build import build, is_embedding, parameter_counts, swiglu_width
from train.settings import OBJECTIVES, Objective
from wikilm.errors import UsageError


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_context_and_vocabulary_come_from_shards_and_tokenizer(objective: Objective) -> None:
    config = build(objective, make_settings(objective, **SHAPE), TOKENIZER, 24).config
    assert config.max_position_embeddings == 24
    assert config.vocab_size == 400
    assert (config.num_hidden_layers, config.num_attention_heads, config.hidden_size) == (2, 2, 16)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_token_that_a_row_holds_is_learned_as_an_input(objective: Objective) -> None:
    """End-of-text, too: taken for padding, its embedding would have no gradient but the head's."""
    model = build(objective, make_settings(objective, **SHAPE, dropout=0.0), TOKENIZER, 24)
    ids = torch.arange(376, 400)[None]  # 398 is end-of-text
    states = model.base_model(ids).last_hidden_state
    states[..., 0].sum().backward()
    gradient = model.get_input_embeddings().weight.grad
    assert (gradient[376:].norm(dim=1) > 0).all()
    assert not gradient[:376].any()


def test_dropout_is_what_the_settings_say_and_not_the_librarys_default() -> None:
    gpt2 = build("causal", make_settings("causal", **SHAPE, dropout=0.0), TOKENIZER, 24).config
    bert = build("masked", make_settings("masked", **SHAPE, dropout=0.0), TOKENIZER, 24).config
    assert [gpt2.embd_pdrop, gpt2.attn_pdrop, gpt2.resid_pdrop] == [0.0] * 3
    assert [bert.hidden_dropout_prob, bert.attention_probs_dropout_prob] == [0.0] * 2


def test_gelu_is_the_exact_one_in_one_kernel_and_hardly_differs_from_gpt2s_own(tmp_path: Path) -> None:
    for objective, key in (("causal", "activation_function"), ("masked", "hidden_act")):
        model = build(objective, make_settings(objective, **SHAPE), TOKENIZER, 24)  # type: ignore[arg-type]
        model.save_pretrained(tmp_path / objective)
        assert getattr(AutoConfig.from_pretrained(tmp_path / objective), key) == "gelu"
        kernels = [module for module in model.modules() if isinstance(module, GELUActivation)]
        assert kernels
        assert kernels[0].act is torch.nn.functional.gelu
    values = torch.linspace(-6, 6, 1001)
    assert torch.allclose(kernels[0](values), ACT2FN["gelu_new"](values), atol=5e-4)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_first_weights_are_a_function_of_the_seed(objective: Objective) -> None:
    def weights(seed: int) -> torch.Tensor:
        model = build(objective, make_settings(objective, **SHAPE, seed=seed), TOKENIZER, 24)
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    assert torch.equal(weights(5), weights(5))
    assert not torch.equal(weights(5), weights(6))


def test_parameters_are_counted_once_where_head_and_embedding_are_tied() -> None:
    model = build("causal", make_settings("causal", **SHAPE), TOKENIZER, 24)
    width, blocks = 16, 2 * (12 * 16**2 + 13 * 16)
    assert parameter_counts(model) == {
        "parameters": 400 * width + 24 * width + blocks + 2 * width,
        "non_embedding_parameters": blocks + 2 * width,
    }


def test_a_llama_has_about_as_many_parameters_as_a_gpt2_of_its_shape_and_no_table_of_positions() -> None:
    shape = {"layers": 2, "heads": 4, "width": 192}
    gpt2 = parameter_counts(build("causal", make_settings("causal", **shape), TOKENIZER, 24))
    model = build("causal", make_settings("causal", **shape, architecture="llama"), TOKENIZER, 24)
    llama = parameter_counts(model)
    assert llama["non_embedding_parameters"] == pytest.approx(gpt2["non_embedding_parameters"], rel=0.02)
    assert llama["parameters"] - llama["non_embedding_parameters"] == 400 * 192
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert model.model.embed_tokens.padding_idx is None
    assert (model.config.max_position_embeddings, model.config.num_key_value_heads) == (24, 4)


@pytest.mark.parametrize(
    ("width", "expected"), [(16, 64), (192, 512), (255, 704), (256, 704), (768, 2048), (4096, 10944)]
)
def test_a_gated_network_is_eight_thirds_as_wide_rounded_up(width: int, expected: int) -> None:
    assert swiglu_width(width) == expected


@pytest.mark.parametrize(("objective", "tables"), [("causal", 2), ("masked", 3), ("llama", 1)])
def test_embedding_tables_are_known_by_name(objective: str, tables: int) -> None:
    if objective == "llama":
        model = build("causal", make_settings("causal", **SHAPE, architecture="llama"), TOKENIZER, 24)
    else:
        model = build(objective, make_settings(objective, **SHAPE), TOKENIZER, 24)  # type: ignore[arg-type]
    assert sum(is_embedding(name) for name, _ in model.named_parameters()) == tables


@pytest.mark.parametrize(
    ("objective", "overrides", "reason"),
    [
        ("causal", {"width": 20, "heads": 3}, "width must be a multiple of heads, got width 20 and heads 3"),
        ("causal", {"batch_size": 2, "gradient_accumulation": 3}, "gradient_accumulation cannot cut 2 rows"),
        ("causal", {"schedule": "constant", "final_lr_fraction": 0.0}, "final_lr_fraction must be 1"),
        ("causal", {"masked_fraction": 0.15}, "--masked-fraction: no such key"),
        ("masked", {"masked_fraction": 0.0}, "greater than 0"),
        ("masked", {"sample_prompt": "no blank", "sample_every_steps": 1}, r"sample_prompt must hold \[MASK\]"),
        ("causal", {"epochs": "3"}, "--epochs"),
        ("causal", {"learning_rate": float("inf")}, "--learning-rate: should be a finite number"),
        ("causal", {"weight_decay": float("inf")}, "--weight-decay: should be a finite number"),
        ("causal", {"clip_norm": float("nan")}, "--clip-norm: should be a finite number"),
        ("causal", {"optimizer": "sgd"}, "'muon' or 'adamw'"),
        ("causal", {"layers": None, "width": None}, "layers, width: may be empty only where init.from names a model"),
        ("causal", {"init": {"from": None, "revision": "v1"}}, "revision 'v1' says of which model only with from"),
        ("causal", {"init": {"form": "gpt2"}}, "--init: no such key; did you mean 'from'"),
        ("causal", {"architecture": "llama", "width": 9, "heads": 3}, "width must be an even multiple of heads"),
        ("causal", {"ema_decay": 1.0}, "--ema-decay: should be less than 1"),
        ("masked", {"architecture": "llama"}, "--architecture: no such key"),
    ],
)
def test_contradictions_are_refused_at_load(objective: Objective, overrides: dict[str, object], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        make_settings(objective, **overrides)


def test_the_seed_preset_can_be_said() -> None:
    said = {
        **{"layers": 12, "heads": 12, "width": 768, "dropout": 0.1, "optimizer": "adamw", "learning_rate": 5e-5},
        **{"weight_decay": 0.0, "clip_norm": 1.0, "schedule": "linear", "warmup_fraction": 0.0},
        **{"final_lr_fraction": 0.0, "batch_size": 16, "epochs": 100, "validate_every_steps": 500},
    }
    assert make_settings("causal", **said).model_dump() | said == make_settings("causal", **said).model_dump()
