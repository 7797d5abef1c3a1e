"""Weights that are damaged, missing, no numbers or not what their config says are refused in one line."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2LMHeadModel

from tests.helpers.models import make_stock
from tests.helpers.training import TrainingInputs, plan_of
from train.model.first_model import first_model
from wikilm.errors import RunError
from wikilm.limits import is_out_of_memory

FILE = "model.safetensors"


def change_weights(folder: Path, **tensors: torch.Tensor | None) -> None:
    """Replace tensors by their names; None removes one."""
    weights = load_file(folder / FILE)
    for name, tensor in tensors.items():
        weights.pop(name, None)
        if tensor is not None:
            weights[name] = tensor
    save_file(weights, folder / FILE, {"format": "pt"})


def change_config(folder: Path, **fields: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | fields))


GAIN = "transformer.ln_f.weight"


@pytest.mark.parametrize(
    ("damage", "fragment"),
    [
        (lambda folder: (folder / FILE).write_bytes((folder / FILE).read_bytes()[:-9]), "is damaged"),
        (lambda folder: (folder / FILE).write_bytes(b"\x80\x04pickled"), "is damaged"),
        (lambda folder: change_weights(folder, **{GAIN: None}), f"lacks weights, 1 of them, first {GAIN}"),
        (lambda folder: change_weights(folder, score=torch.ones(3)), "has unknown weights, 1 of them, first score"),
        (lambda folder: change_weights(folder, **{GAIN: torch.ones(32, dtype=torch.int8)}), "quantized weights"),
        (lambda folder: change_weights(folder, **{GAIN: torch.full((32,), float("nan"))}), "no finite number"),
        (lambda folder: change_weights(folder, **{GAIN: torch.ones(31)}), "do not fit its config.json"),
        (lambda folder: change_weights(folder, **{"lm_head.weight": torch.ones(400, 32)}), "ties the head to"),
        (lambda folder: change_config(folder, n_layer=9_000), "promises far more than"),
        (lambda folder: change_config(folder, activation_function="rm -rf"), "do not fit its config.json"),
        (lambda folder: change_config(folder, layer_norm_epsilon="tiny"), "its config.json is not understood"),
    ],
)  # fmt: skip
def test_weights_that_are_not_whole_are_refused(
    tiny_shards: Path, tiny_tokenizer: Path, tmp_path: Path, damage: Any, fragment: str
) -> None:
    make_stock(tmp_path / "stock", "gpt2", tiny_tokenizer)
    damage(tmp_path / "stock")
    arguments = TrainingInputs(tiny_shards, tiny_tokenizer).arguments(
        tmp_path, layers=None, heads=None, width=None, init={"from": str(tmp_path / "stock")}
    )
    with pytest.raises(RunError, match=fragment) as raised:
        first_model(plan_of(arguments))
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 800


def test_memory_that_is_used_up_is_not_told_as_weights_that_do_not_fit(
    tiny_shards: Path, tiny_tokenizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 400 bytes.")

    make_stock(tmp_path / "stock", "gpt2", tiny_tokenizer)
    monkeypatch.setattr(GPT2LMHeadModel, "from_pretrained", exhausted)
    arguments = TrainingInputs(tiny_shards, tiny_tokenizer).arguments(
        tmp_path, layers=None, heads=None, width=None, init={"from": str(tmp_path / "stock")}
    )
    plan = plan_of(arguments)
    with pytest.raises(RuntimeError) as raised:
        first_model(plan)
    assert is_out_of_memory(raised.value)


def test_weights_in_several_files_are_one_model(tiny_shards: Path, tiny_tokenizer: Path, tmp_path: Path) -> None:
    make_stock(tmp_path / "one", "gpt2", tiny_tokenizer)
    make_stock(tmp_path / "several", "gpt2", tiny_tokenizer).save_pretrained(
        tmp_path / "several", max_shard_size="50KB"
    )
    (tmp_path / "several" / FILE).unlink()
    assert len(list((tmp_path / "several").glob("*.safetensors"))) > 1
    one, several = (
        first_model(
            plan_of(
                TrainingInputs(tiny_shards, tiny_tokenizer).arguments(
                    tmp_path / "run", layers=3, heads=4, width=32, init={"from": str(tmp_path / name)}
                )
            )
        ).state_dict()
        for name in ("one", "several")
    )
    assert all(torch.equal(one[name], several[name]) for name in one)
