"""Full rows are attended over without a mask, as they would be with one, and no export tells of it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

from tests.helpers.training import SHAPE, TOKENIZER, make_settings
from train.model.attention import FULL_ROWS, attend_over_full_rows
from train.model.build import build
from train.settings import Objective

AUTO = {"causal": AutoModelForCausalLM, "masked": AutoModelForMaskedLM}


def ids(rows: int = 3, tokens: int = 24) -> torch.Tensor:
    return torch.randint(398, (rows, tokens), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_a_causal_model_sees_what_it_would_see_through_a_mask(architecture: str) -> None:
    model = build("causal", make_settings("causal", **SHAPE, architecture=architecture), TOKENIZER, 24).eval()
    model.set_attn_implementation("eager")  # which multiplies out, adds the mask, and takes the softmax
    expected = model(ids(), use_cache=False).logits
    attend_over_full_rows(model)
    assert torch.allclose(model(ids(), use_cache=False).logits, expected, atol=1e-5)


def test_bert_sees_all_tokens() -> None:
    model = build("masked", make_settings("masked", **SHAPE), TOKENIZER, 24).eval()
    model.set_attn_implementation("eager")
    expected = model(ids()).logits
    attend_over_full_rows(model)
    assert torch.allclose(model(ids()).logits, expected, atol=1e-5)


@pytest.mark.parametrize("objective", ["causal", "masked"])
def test_no_attention_is_given_a_mask(monkeypatch: pytest.MonkeyPatch, objective: Objective) -> None:
    seen: list[Any] = []
    attention = F.scaled_dot_product_attention

    def watched(*tensors: torch.Tensor, **options: Any) -> torch.Tensor:
        seen.append((options["attn_mask"], options["is_causal"]))
        return attention(*tensors, **options)

    monkeypatch.setattr(F, "scaled_dot_product_attention", watched)
    model = build(objective, make_settings(objective, **SHAPE), TOKENIZER, 24)
    attend_over_full_rows(model)
    model(ids())
    assert seen == [(None, objective == "causal")] * SHAPE["layers"]


def test_a_prompt_is_continued_as_by_transformers_own_attention() -> None:
    model = build("causal", make_settings("causal", **SHAPE), TOKENIZER, 24).eval()
    prompt = ids(1, 5)
    options = {"attention_mask": torch.ones_like(prompt), "max_new_tokens": 12, "do_sample": False}
    expected = model.generate(prompt, **options)
    attend_over_full_rows(model)
    assert model.generate(prompt, **options).tolist() == expected.tolist()


@pytest.mark.parametrize("objective", ["causal", "masked"])
def test_an_export_names_no_attention_and_loads_with_that_of_transformers(tmp_path: Path, objective: Objective) -> None:
    model = build(objective, make_settings(objective, **SHAPE), TOKENIZER, 24)
    attend_over_full_rows(model)
    model.save_pretrained(tmp_path)
    assert FULL_ROWS not in json.dumps([file.read_text() for file in tmp_path.glob("*.json")])
    loaded = AUTO[objective].from_pretrained(tmp_path)
    assert loaded.config._attn_implementation == "sdpa"
    assert torch.allclose(loaded(ids()).logits, model.eval()(ids()).logits, atol=1e-6)
