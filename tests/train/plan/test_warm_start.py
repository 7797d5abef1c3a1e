"""A run starts from the weights of a model that fits it, and says of any other what does not fit."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from tests.helpers.models import make_stock
from tests.helpers.shards import make_shards
from tests.helpers.tokenizers import END_OF_TEXT, make_tokenizer
from tests.helpers.training import TrainingInputs, plan_of, train
from train.model.first_model import first_model
from train.model.loss import SummedLoss
from train.plan.plan import Plan
from train.rows.feed import Feed
from wikilm.errors import RunError, UsageError

OPEN = {"layers": None, "heads": None, "width": None}


@pytest.fixture(scope="module")
def inputs(tiny_shards: Path, tiny_tokenizer: Path) -> TrainingInputs:
    return TrainingInputs(tiny_shards, tiny_tokenizer)


def started(
    inputs: TrainingInputs, folder: Path, model: Path | str, objective: str = "causal", **settings: Any
) -> Plan:
    """The plan of a run from the weights of a model, whose shape the settings leave open."""
    return plan_of(inputs.arguments(folder, objective, **OPEN | {"init": {"from": str(model)}} | settings))


def validation_loss(plan: Plan, model: PreTrainedModel) -> float:
    """Mean loss per target over the validation rows."""
    loss, total, targets = SummedLoss(model.eval(), plan.objective), 0.0, 0
    with torch.no_grad():
        for part in Feed(plan, 0, 1, torch.device("cpu")).validation_parts():
            total += float(loss(*part.inputs))
            targets += part.targets
    return total / targets


@pytest.mark.parametrize(
    ("objective", "more"),
    [("causal", {}), ("causal", {"architecture": "llama"}), ("masked", {})],
)
def test_a_run_from_an_export_begins_with_the_loss_that_the_export_ended_with(
    inputs: TrainingInputs, one_cpu_thread: None, tmp_path: Path, objective: str, more: dict[str, Any]
) -> None:
    train([*inputs.arguments(tmp_path, objective, **more), "--max-steps", "3"])
    told = json.loads((tmp_path / "model" / "training.json").read_text())
    plan = started(inputs, tmp_path / "next", tmp_path / "model", objective, **more)
    assert validation_loss(plan, first_model(plan)) == told["validation_loss"]
    assert plan.settings.shape == (2, 2, 16)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_causal_model_of_transformers_says_the_same_as_before_within_a_row(
    inputs: TrainingInputs, tmp_path: Path, family: str, dtype: torch.dtype
) -> None:
    model = make_stock(tmp_path / "stock", family, inputs.tokenizer).to(dtype)  # type: ignore[arg-type]
    model.save_pretrained(tmp_path / "stock")
    plan = started(inputs, tmp_path, tmp_path / "stock", architecture=family)
    ours = first_model(plan)
    before = type(model).from_pretrained(tmp_path / "stock", dtype=torch.float32)
    rows = torch.from_numpy(plan.shards.rows("validation").take([0, 1, 2]))
    with torch.no_grad():
        assert torch.allclose(ours.eval()(rows).logits, before(rows).logits, atol=1e-4)
    assert validation_loss(plan, ours) == pytest.approx(validation_loss(plan, before), rel=1e-6)
    assert {parameter.dtype for parameter in ours.parameters()} == {torch.float32}
    if family == "gpt2":
        assert (ours.config.n_positions, len(ours.transformer.wpe.weight)) == (32, 32)
    else:
        assert (ours.config.max_position_embeddings, ours.config.rope_parameters["rope_theta"]) == (512, 5000.0)


def test_a_masked_model_of_transformers_says_the_same_as_before_within_a_row(
    inputs: TrainingInputs, tmp_path: Path
) -> None:
    model = make_stock(tmp_path / "stock", "bert", inputs.tokenizer)
    weights = load_file(tmp_path / "stock" / "model.safetensors")
    old = {  # as older versions of transformers and BertForPreTraining have saved them
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in weights.items()
    } | {"cls.seq_relationship.weight": torch.ones(2, 32), "bert.pooler.dense.bias": torch.ones(32)}
    save_file(old, tmp_path / "stock" / "model.safetensors", {"format": "pt"})
    plan = started(inputs, tmp_path, tmp_path / "stock", "masked")
    ours = first_model(plan)
    rows = torch.from_numpy(plan.shards.rows("validation").take([0, 1]))
    with torch.no_grad():
        assert torch.allclose(ours.eval()(rows).logits, model(rows).logits, atol=1e-5)
    assert len(ours.bert.embeddings.position_embeddings.weight) == 32


def test_a_mask_token_that_the_shards_tokenizer_was_given_is_the_mean_of_the_others(
    inputs: TrainingInputs, tmp_path: Path
) -> None:
    """As with `tokenizer.pretrained: gpt2`, which has no mask token of its own."""
    make_stock(tmp_path / "stock", "gpt2", None, vocab_size=399)
    own = json.loads((inputs.tokenizer / "tokenizer.json").read_text())
    own["added_tokens"] = [token for token in own["added_tokens"] if token["content"] == END_OF_TEXT]
    (tmp_path / "stock" / "tokenizer.json").write_text(json.dumps(own))
    (tmp_path / "stock" / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"})
    )
    plan = started(inputs, tmp_path, tmp_path / "stock")
    table = first_model(plan).transformer.wte.weight
    assert table.shape == (400, 32)
    assert torch.allclose(table[399], table[:399].mean(0), atol=1e-6)


def test_untied_heads_are_trained_as_they_are(inputs: TrainingInputs, tmp_path: Path) -> None:
    make_stock(tmp_path / "stock", "llama", inputs.tokenizer, tie_word_embeddings=False)
    model = first_model(started(inputs, tmp_path, tmp_path / "stock", architecture="llama"))
    assert not torch.equal(model.lm_head.weight, model.model.embed_tokens.weight)
    assert not model.config.tie_word_embeddings


def test_another_model_makes_another_run_and_another_place_does_not(inputs: TrainingInputs, tmp_path: Path) -> None:
    make_stock(tmp_path / "one", "gpt2", inputs.tokenizer)
    shutil.copytree(tmp_path / "one", tmp_path / "same")
    make_stock(tmp_path / "other", "gpt2", inputs.tokenizer, initializer_range=0.1)
    runs = [started(inputs, tmp_path / "run", tmp_path / name).run.name for name in ("one", "same", "other")]
    fresh = plan_of(inputs.arguments(tmp_path / "fresh", layers=3, heads=4, width=32)).run.name
    assert runs[0] == runs[1]
    assert len({*runs, fresh}) == 3


def test_what_a_config_asks_for_beside_its_shape_is_not_obeyed(inputs: TrainingInputs, tmp_path: Path) -> None:
    make_stock(tmp_path / "stock", "gpt2", inputs.tokenizer)
    (tmp_path / "stock" / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    change(
        _attn_implementation="flash_attention_2", attn_implementation="someone/kernel", use_cache=False,
        torch_dtype="float16",
        auto_map={"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}, resid_pdrop=0.7,
    )(tmp_path / "stock")  # fmt: skip
    model = first_model(started(inputs, tmp_path, tmp_path / "stock", dropout=0.25))
    assert model.config._attn_implementation == "sdpa"
    assert model.dtype == torch.float32
    assert model.config.resid_pdrop == 0.25
    assert not (tmp_path / "ran").exists()


def change(**fields: object):
    """A damage to config.json."""

    def damage(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | fields))

    return damage


def other_tokenizer(folder: Path) -> None:
    make_tokenizer(folder, 380)


def another_vocabulary(folder: Path) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["Ġ"], vocabulary["a"] = vocabulary["a"], vocabulary["Ġ"]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


@pytest.mark.parametrize(
    ("settings", "damage", "error", "fragment"),
    [
        ({"layers": 2}, None, UsageError, "has layers 3 \\(not 2\\); write what it has, or leave"),
        ({"width": 64, "heads": 4}, None, UsageError, "has width 32 \\(not 64\\)"),
        ({"architecture": "llama"}, None, UsageError, "has architecture gpt2 \\(not llama\\)"),
        ({"init": {"revision": "main"}}, None, UsageError, "init: revision 'main' says of which model only with from"),
        ({}, change(model_type="bert"), UsageError, "of type bert, but objective causal starts from gpt2 or"),
        ({}, change(model_type=["gpt2"]), RunError, "names no model_type"),
        ({}, change(quantization_config={"quant_method": "bitsandbytes"}), RunError, "is quantized"),
        ({}, change(add_cross_attention=True), UsageError, "add_cross_attention: True, which is not trained here"),
        ({}, change(n_positions=16), UsageError, "has 16 positions, but the rows have 32 tokens"),
        ({}, change(vocab_size=500), UsageError, "500 entries in its vocabulary, but .* has 400; save it after"),
        ({}, change(n_layer="3"), RunError, "no whole number above 0 as n_layer"),
        ({}, another_vocabulary, UsageError, "2 entries differ, such as 'a'"),
        ({}, other_tokenizer, UsageError, "its tokenizer is not that of the shards: .* entries differ"),
        ({}, lambda folder: (folder / "config.json").write_text("[" * 100_000), RunError, "is no JSON"),
        ({}, lambda folder: (folder / "model.safetensors").unlink(), RunError, "holds no model.safetensors"),
        ({}, lambda folder: (folder / "tokenizer.json").write_text("{"), RunError, "its tokenizer cannot be loaded"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name_before_anything_is_trained(
    inputs: TrainingInputs, tmp_path: Path, settings: dict[str, Any], damage: Any, error: type[Exception], fragment: str
) -> None:
    make_stock(tmp_path / "stock", "gpt2", inputs.tokenizer)
    if damage:
        damage(tmp_path / "stock")
    with pytest.raises(error, match=fragment) as raised:
        started(inputs, tmp_path, tmp_path / "stock", **settings)
    assert str(raised.value).count("\n") == 0


@pytest.mark.parametrize("within", ["model", "model/best"])
def test_weights_that_the_finished_model_would_replace_are_refused(
    inputs: TrainingInputs, one_cpu_thread: None, tmp_path: Path, within: str
) -> None:
    train([*inputs.arguments(tmp_path), "--max-steps", "1"])
    with pytest.raises(UsageError, match=f"pretrain.causal.init.from .*{within}: lies in --output"):
        started(inputs, tmp_path, tmp_path / within, "causal")


def test_all_tokens_are_predicted_from_a_model_of_one_layer_and_of_no_more(
    inputs: TrainingInputs, one_cpu_thread: None, tmp_path: Path
) -> None:
    for layers in (1, 2):
        folder = tmp_path / str(layers)
        train([*inputs.arguments(folder, "masked", layers=layers), "--max-steps", "1"])
    plan = started(inputs, tmp_path / "next", tmp_path / "1" / "model", "masked", predict="all")
    assert (plan.settings.shape.layers, plan.left_out) == (1, plan.manifest.tokenizer.mask_id)
    with pytest.raises(UsageError, match=r"masked: by .*2/model: predict must be masked where .*, got layers 2"):
        started(inputs, tmp_path / "next", tmp_path / "2" / "model", "masked", predict="all")


def test_a_revision_of_a_folder_is_refused(inputs: TrainingInputs, tmp_path: Path) -> None:
    make_stock(tmp_path / "stock", "gpt2", inputs.tokenizer)
    with pytest.raises(UsageError, match=r"init.revision: v1 is for models of the hub"):
        started(inputs, tmp_path, "", init={"from": str(tmp_path / "stock"), "revision": "v1"})


def test_rows_longer_than_the_context_are_refused(tiny_tokenizer: Path, tmp_path: Path) -> None:
    make_shards(tmp_path / "shards", tiny_tokenizer)
    make_stock(tmp_path / "stock", "llama", tiny_tokenizer, max_position_embeddings=31)
    with pytest.raises(UsageError, match="has 31 positions, but the rows have 32 tokens"):
        started(TrainingInputs(tmp_path / "shards", tiny_tokenizer), tmp_path, tmp_path / "stock", architecture="llama")
