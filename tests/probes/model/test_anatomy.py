"""What a model is made of: every parameter in one part, tied ones once, shapes as the architecture has them."""

import pytest
from transformers import AlbertConfig, AlbertForMaskedLM, MambaConfig, MambaForCausalLM

from probes.model.anatomy import PARTS, anatomy, describe, part_of
from probes.model.loading import load
from tests.helpers.families import CAUSAL, MASKED
from tests.helpers.models import make_stock
from wikilm.errors import UsageError

TEXT = "The river carries sand."


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("transformer.wte.weight", "embedding"),
        ("transformer.wpe.weight", "embedding"),
        ("transformer.h.0.ln_1.bias", "norm"),
        ("transformer.h.11.attn.c_attn.weight", "attention"),
        ("transformer.h.0.mlp.c_proj.weight", "mlp"),
        ("transformer.ln_f.weight", "norm"),
        ("bert.embeddings.word_embeddings.weight", "embedding"),
        ("bert.embeddings.LayerNorm.weight", "norm"),
        ("bert.encoder.layer.0.attention.self.query.weight", "attention"),
        ("bert.encoder.layer.0.attention.output.dense.bias", "attention"),
        ("bert.encoder.layer.0.attention.output.LayerNorm.bias", "norm"),
        ("bert.encoder.layer.0.intermediate.dense.weight", "mlp"),
        ("bert.encoder.layer.0.output.dense.weight", "mlp"),
        ("bert.encoder.layer.0.output.LayerNorm.weight", "norm"),
        ("model.embed_tokens.weight", "embedding"),
        ("model.layers.3.self_attn.q_proj.weight", "attention"),
        ("model.layers.3.mlp.gate_proj.weight", "mlp"),
        ("model.layers.3.input_layernorm.weight", "norm"),
        ("model.layers.3.post_attention_layernorm.weight", "norm"),
        ("model.norm.weight", "norm"),
        ("backbone.layers.0.mixer.in_proj.weight", "state space"),
        ("something.else", "other"),
    ],
)
def test_a_parameter_belongs_to_the_part_that_its_name_says(name, part):
    assert part_of(name) == part


@pytest.mark.parametrize("kind", ["causal", "masked"])
def test_every_parameter_is_in_one_part_and_tied_ones_are_counted_once(tiny, kind):
    loaded = load(str(tiny / kind))
    result = anatomy(loaded, TEXT)
    stored = {p.data_ptr(): p.numel() for p in loaded.model.parameters()}
    assert sum(part.parameters for part in result.parts) == result.parameters == sum(stored.values())
    assert sum(part.share for part in result.parts) == pytest.approx(1)
    assert result.tied
    assert {part.part for part in result.parts} <= set(PARTS)
    assert "other" not in {part.part for part in result.parts}


@pytest.mark.parametrize("name", [*CAUSAL, *MASKED])
def test_of_every_family_each_parameter_is_in_one_part_whose_name_is_known(family, name):
    loaded = family(name)
    result = anatomy(loaded, TEXT)
    parts = {part.part: part.parameters for part in result.parts}
    assert sum(parts.values()) == result.parameters == sum(p.numel() for p in loaded.model.parameters())
    assert "other" not in parts
    assert parts["embedding"] >= loaded.model.get_input_embeddings().weight.numel()
    own = 0 if result.tied else loaded.model.get_output_embeddings().weight.numel()
    assert parts["head"] >= own
    assert parts["head"] - own < parts["embedding"], "a matrix that is tied is the embedding's"
    assert {parts[part] > 0 for part in ("attention", "mlp", "norm")} == {True}
    shapes = {step.step: step.shape for step in result.steps}
    assert shapes["block 1: attention weights"][-2:] == (len(result.ids),) * 2
    assert describe(result)


def test_blocks_that_share_their_weights_are_said_to(tmp_path, family):
    tokenizer = family("albert").tokenizer
    config = AlbertConfig(
        vocab_size=len(tokenizer), embedding_size=8, hidden_size=16, num_attention_heads=2, intermediate_size=16
    )
    AlbertForMaskedLM(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    result = anatomy(load(str(tmp_path)), TEXT)
    assert (result.layers, result.layers_of_their_own) == (12, 1)
    assert "12 blocks that share the weights of 1" in describe(result)
    names = [step.step for step in result.steps]
    assert len(names) == len(set(names))


def test_a_model_without_attention_is_told_without_it(tmp_path, family):
    tokenizer = family("gpt_neox").tokenizer
    ids = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    config = MambaConfig(vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, state_size=4, **ids)
    MambaForCausalLM(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    result = anatomy(load(str(tmp_path)), TEXT)
    parts = {part.part: part.parameters for part in result.parts}
    assert set(parts) == {"embedding", "state space", "norm", "head"}
    assert sum(parts.values()) == result.parameters
    assert (result.heads, result.positions) == (None, None)
    assert "2 blocks, no attention, width 16, no limit of positions" in describe(result)


def test_a_llama_gets_its_places_in_attention_and_not_with_the_embeddings(tiny_tokenizer, tmp_path):
    make_stock(tmp_path / "llama", "llama", tiny_tokenizer)
    result = anatomy(load(str(tmp_path / "llama")), TEXT)
    meaning = {step.step: step.meaning for step in result.steps}["embeddings"]
    assert meaning.endswith("its place comes in where attention is computed")
    assert {part.part for part in result.parts} == {"embedding", "attention", "mlp", "norm", "head"}
    assert [step.shape for step in result.steps if step.step == "block 1: mlp.up_proj"] == [(1, len(result.ids), 48)]


def test_gpt2s_parts_are_as_its_equations_have_them(causal):
    width, vocabulary, positions, layers = 32, 400, 48, 2
    parts = {part.part: part.parameters for part in anatomy(causal, TEXT).parts}
    assert parts == {
        "embedding": (vocabulary + positions) * width,
        "attention": layers * (width * 3 * width + 3 * width + width * width + width),
        "mlp": layers * (2 * 4 * width * width + 5 * width),
        "norm": (2 * layers + 1) * 2 * width,
        "head": 0,
    }


@pytest.mark.parametrize("kind", ["causal", "masked"])
def test_shapes_from_ids_to_logits(tiny, kind):
    result = anatomy(load(str(tiny / kind)), TEXT)
    n = len(result.ids)
    shapes = {step.step: step.shape for step in result.steps}
    assert shapes["ids"] == (1, n)
    assert shapes["embeddings"] == (1, n, 32)
    for block in (1, 2):
        assert shapes[f"block {block}: attention weights"] == (1, 2, n, n)
        assert shapes[f"block {block}: hidden state"] == (1, n, 32)
    assert shapes["logits"] == (1, n, 400)
    assert any(shape == (1, n, 4 * 32 if kind == "causal" else 64) for shape in shapes.values()), "the mlp's inside"


def test_asking_leaves_the_model_as_it_was(tiny):
    loaded = load(str(tiny / "causal"))
    before = loaded.model.config._attn_implementation
    first = anatomy(loaded, TEXT)
    hooks = sum(len(module._forward_hooks) for module in loaded.model.modules())  # transformers keeps some of its own
    assert anatomy(loaded, TEXT) == first
    assert sum(len(module._forward_hooks) for module in loaded.model.modules()) == hooks
    assert loaded.model.config._attn_implementation == before


def test_a_text_longer_than_the_model_and_an_empty_one_are_refused(causal):
    with pytest.raises(UsageError, match="48 positions"):
        anatomy(causal, TEXT * 20)
    with pytest.raises(UsageError, match="no tokens"):
        anatomy(causal, "")


def test_people_read_the_counts_and_the_shapes(masked):
    text = describe(anatomy(masked, TEXT))
    assert "33,072" in text
    assert "a masked language model" in text
    assert "block 2: attention weights" in text
