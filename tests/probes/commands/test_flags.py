"""Where a model computes: every tensor is made on its device, and a result says which that was."""

import json
import sys
from pathlib import Path

import pytest
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors

from probes.__main__ import PROGRAM, main
from tests.helpers import ROOT
from wikilm.cli import run

QUESTIONS = [
    ("anatomy", "--model", "causal", "--text", "The river"),
    ("fill-mask", "--model", "causal", "--model", "masked", "--shards", "shards", "--text", "The [MASK] carries sand."),
    ("fill-mask", "--model", "masked", "--text", "The [MASK] carries sand.", "--layers", "--word", "river bed"),
    ("fill-mask", "--model", "causal", "--model", "masked", "--file", str(ROOT / "probes/cloze/known.jsonl")),
    ("generate", "--model", "causal", "--prompt", "The river", "--max-new-tokens", "6", "--steps", "--layers"),
    ("generate", "--model", "causal", "--prompt", "A", "--prompt", "The river", "--temperature", "0.7"),
    ("recite", "--model", "causal", "--shards", "shards", "--prefix", "8", "--continue", "8"),
    ("perplexity", "--model", "causal", "--shards", "shards"),
    ("loss", "--model", "causal", "--text", "The river carries sand."),
    ("loss", "--model", "masked", "--text", "The river carries sand."),
]


class Watch(TorchFunctionMode):
    """Notes the lines of the probes that make a tensor and do not say on which device."""

    def __init__(self):
        super().__init__()
        self.strays = set()
        self.made = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        caller = sys._getframe(1)
        if func in _device_constructors() and Path(caller.f_code.co_filename).is_relative_to(ROOT / "probes"):
            self.made += 1
            if (kwargs or {}).get("device") is None:
                self.strays.add(f"{caller.f_code.co_filename}:{caller.f_lineno}")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: " ".join(question[:3]))
def test_every_tensor_is_made_on_the_models_device(tiny, monkeypatch, capsys, question):
    monkeypatch.chdir(tiny)
    with Watch() as watch:
        assert run(main, PROGRAM, [*question, "--json"]) == 0, capsys.readouterr().err
    assert watch.made, "the watch has seen no tensor made"
    assert not watch.strays


@pytest.mark.parametrize(("asked", "told"), [((), "auto"), (("--dtype", "bfloat16", "--device", "cpu"), "bfloat16")])
def test_a_result_says_on_what_and_in_what_numbers_the_model_computed(tiny, monkeypatch, capsys, asked, told):
    monkeypatch.chdir(tiny)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert run(main, PROGRAM, ["loss", "--model", "causal", "--text", "The river", "--json", *asked]) == 0
    settings = json.loads(capsys.readouterr().out)["made_from"]["settings"]
    assert (settings["device"], settings["dtype"]) == ("cpu", told)
