"""The command line: help that teaches, one JSON document, one line and the right exit status for what goes wrong."""

import json
import os
import pickle
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from probes.__main__ import PROGRAM, main
from tests.helpers import ROOT
from tests.helpers.models import PICKLES
from tests.helpers.tokenizers import make_tokenizer
from wikilm.cli import run
from wikilm.params import read_params

COMMANDS = ("anatomy", "fill-mask", "generate", "recite", "perplexity", "loss", "index", "trace", "report")


@pytest.fixture
def ask(tiny, capsys, monkeypatch):
    """Run a probe in a folder without params.yaml; `{}` stands for the folder of the tiny models."""

    def run_it(*argv):
        monkeypatch.chdir(tiny)
        try:
            status = run(main, PROGRAM, [str(arg).replace("{}", str(tiny)) for arg in argv])
        except SystemExit as stop:
            status = stop.code
        said = capsys.readouterr()
        return status, said.out, said.err

    return run_it


def fails(answer, status, *fragments):
    """The command ended with this status and one line that holds the fragments."""
    code, out, err = answer
    assert (code, out) == (status, ""), err
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    for fragment in fragments:
        assert fragment in err


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_with_an_example(ask, command):
    status, out, _ = ask(command, "--help")
    assert status == 0
    assert f"example:\n  python -m probes {command}" in out
    assert "--json" in out


def test_texts_of_shards_are_saved_and_measured_again_to_the_same_figures(ask, tmp_path):
    of_shards = ("--shards", "{}/shards", "--save", tmp_path / "t.jsonl")
    first = ask("perplexity", "--model", "{}/causal", "--json", *of_shards)
    again = ask("perplexity", "--model", "{}/causal", "--json", "--texts", tmp_path / "t.jsonl")
    assert first[0] == 0, first[2]
    figures, same = (json.loads(answer[1]) for answer in (first, again))
    made, alike = figures.pop("made_from"), same.pop("made_from")
    assert figures == same
    assert (made["models"], alike["shards"]) == (alike["models"], None)
    fails(ask("perplexity", "--model", "{}/causal"), 2, "--texts or --shards: give one of them")


def test_help_answers_without_importing_torch():
    code = """
import sys
from probes.__main__ import main
try:
    main(["recite", "--help"])
except SystemExit:
    print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False\n")


@pytest.mark.parametrize(("command", "section"), [("fill-mask", "fill_mask"), ("generate", "generation")])
def test_a_setting_is_also_a_flag_under_its_own_name_since_errors_call_it_so(ask, command, section):
    _, out, _ = ask(command, "--help")
    listed = [name for name, value in read_params(ROOT / "params.yaml")[section].items() if isinstance(value, list)]
    assert listed
    assert all(f"--{name}" in out for name in listed)


QUESTIONS = [
    ("anatomy", "--model", "{}/causal", "--text", "The river"),
    (
        "fill-mask",
        "--model",
        "{}/masked",
        "--model",
        "{}/causal",
        "--text",
        "The [MASK].",
        "--shards",
        "{}/shards",
        "--rows",
        "3",
    ),
    ("generate", "--model", "{}/causal", "--prompt", "The river", "--max-new-tokens", "4", "--steps"),
    ("recite", "--model", "{}/causal", "--shards", "{}/shards", "--prefix", "8", "--continue", "8", "--rows", "3"),
    ("loss", "--model", "{}/masked", "--text", "The river"),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question[0])
def test_a_question_is_answered_for_people_as_json_and_into_a_file(ask, tmp_path, question):
    status, text, _ = ask(*question)
    assert status == 0
    assert not any(c != "\n" and not c.isprintable() for c in text)
    status, document, _ = ask(*question, "--json", "--output", tmp_path / "deep" / "answer.json")
    assert status == 0
    answer = json.loads(document)
    assert isinstance(answer, dict)
    assert (tmp_path / "deep" / "answer.json").read_text() == document
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["answer.json"]
    assert all(isinstance(value, float) for value in answer.get("metrics", {}).values())


def test_the_curve_is_written_for_plots(ask, tmp_path):
    assert ask(*QUESTIONS[3], "--prefix-lengths", "1,4", "--curve", tmp_path / "c.csv")[0] == 0
    lines = (tmp_path / "c.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["prefix", "1", "4", "8"]


def test_params_fill_in_for_flags_and_flags_win(ask, tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text("generation: {prompts: [The old bridge], max_new_tokens: 3, shown: 2}\n")
    status, out, _ = ask("generate", "--model", "{}/causal", "--params", params, "--json", "--steps", "--shown", "4")
    (generation,) = json.loads(out)["generations"]
    assert (status, generation["prompt"], len(generation["ids"])) == (0, "The old bridge", 3)
    assert len(generation["steps"][0]["candidates"]) == 4


def test_the_projects_own_params_are_read(ask):
    status, out, _ = ask("generate", "--model", "{}/causal", "--params", ROOT / "params.yaml", "--json")
    assert status == 0
    assert len(json.loads(out)["generations"]) >= 2


@pytest.mark.parametrize(
    ("argv", "fragment"),
    [
        ((), "QUESTION"),
        (("sing",), "invalid choice"),
        (("anatomy",), "--model"),
        (("generate", "--model", "{}/causal", "--max-new-tokens", "many"), "--max-new-tokens"),
        (("generate", "--model", "{}/causal", "--max-new-tokens", "0"), "--max-new-tokens"),
        (("generate", "--model", "{}/causal", "--max-new-tokens", "400"), "48 positions"),
        (("generate", "--model", "{}/causal", "--prompt", "a\udcff"), "not valid UTF-8"),
        (("generate", "--model", "{}/causal", "--prompt", "A" * 99), "--prompt"),
        (("generate", "--model", "{}/causal", "--temperature", "-1"), "--temperature"),
        (("generate", "--model", "{}/causal", "--top-p", "1.5"), "--top-p"),
        (("generate", "--model", "{}/causal", "--device", "tpu"), "--device"),
        (("generate", "--model", "{}/masked"), "a masked model does not generate"),
        (("generate", "--model", "{}/causal", "--output", "{}"), "name a file"),
        (("generate", "--model", "{}/causal", "--params", "{}/none.yaml"), "no such params file"),
        (("fill-mask", "--model", "{}/masked", "--text", "no blank"), "error: --text: "),
        (("fill-mask", "--model", "{}/masked", "--text", "[MASK]", "--masked-fraction", "2"), "--masked-fraction"),
        (("recite", "--model", "{}/causal", "--shards", "{}/shards", "--prefix", "40"), "--prefix 40"),
        (("recite", "--model", "{}/causal", "--shards", "{}/shards", "--prefix-lengths", "1,x"), "--prefix-lengths"),
        (("recite", "--model", "{}/masked", "--shards", "{}/shards"), "does not recite"),
    ],
)
def test_wrong_usage_ends_with_status_2_and_one_line(ask, argv, fragment):
    fails(ask(*argv), 2, fragment)


@pytest.mark.parametrize(
    ("argv", "fragment"),
    [
        (("anatomy", "--model", "{}/none"), "no such folder; train the model first"),
        (("anatomy", "--model", "./none"), "no such folder"),
        (("anatomy", "--model", "{}/causal/config.json"), "is a file"),
        (("anatomy", "--model", "{}/shards"), "no config.json"),
        (("anatomy", "--model", "a/b/c"), "no hub name either"),
        (("recite", "--model", "{}/causal", "--shards", "{}/none"), "python -m pipeline"),
        (("fill-mask", "--model", "{}/masked", "--shards", "{}/none"), "python -m pipeline"),
    ],
)
def test_what_cannot_be_done_ends_with_status_1_and_one_line(ask, argv, fragment):
    fails(ask(*argv), 1, fragment)


def damage_pickle(folder):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def damage_cut(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def damage_part(folder):
    tensors = load_file(folder / "model.safetensors")
    del tensors["transformer.h.1.attn.c_attn.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def damage_numbers(folder):
    tensors = load_file(folder / "model.safetensors")
    tensors["transformer.ln_f.weight"].fill_(float("nan"))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def change_config(**changes):
    def damage(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return damage


def damage_tokenizer(folder):
    make_tokenizer(folder, vocab_size=420)


def damage_json(folder):
    (folder / "config.json").write_text("{")


@pytest.mark.parametrize(
    ("damage", "fragment"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "no model.safetensors"),
        (damage_pickle, "pickled weights only"),
        (damage_cut, "damaged"),
        (damage_part, "1 weights are missing, first transformer.h.1.attn.c_attn.weight"),
        (damage_json, "config.json: is no JSON"),
        (damage_tokenizer, "its tokenizer has 420 entries and its model 400"),
        (change_config(architectures=["GPT2ForSequenceClassification"]), "neither a masked nor a causal model"),
        (change_config(architectures=None), "neither a masked nor a causal model"),
        (change_config(n_embd=36), "cannot be loaded"),
        (change_config(n_layer="a"), "Validation error for field 'n_layer': TypeError: Field 'n_layer' expected int"),
        (change_config(n_positions=16), "its weights have other sizes than its config.json says"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "backend tokenizer from one of: (1)"),
        (change_config(n_embd=640, n_head=20), "promises far more than model.safetensors holds"),
        (change_config(n_layer=9_000), "promises far more than model.safetensors holds"),
        (change_config(n_layer=200_000), "config.json: n_layer is 200000, more than any model has"),
        (change_config(quantization_config={"quant_method": "bitsandbytes"}), "is quantized"),
        (lambda folder: (folder / "adapter_config.json").write_text("{}"), "it is an adapter"),
        (change_config(model_type="unheard-of", auto_map={"AutoConfig": "evil.Config"}), "cannot be loaded"),
    ],
)
def test_a_damaged_model_is_named_with_the_reason(ask, tiny, tmp_path, damage, fragment):
    shutil.copytree(tiny / "causal", tmp_path / "model")
    (tmp_path / "model" / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    damage(tmp_path / "model")
    fails(ask("anatomy", "--model", tmp_path / "model"), 1, str(tmp_path / "model"), fragment)
    assert not (tmp_path / "ran").exists(), "code of a model was run"


class Canary:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def test_no_pickle_beside_the_weights_is_loaded(ask, tiny, tmp_path):
    shutil.copytree(tiny / "causal", tmp_path / "model")
    for name in PICKLES:
        (tmp_path / "model" / name).write_bytes(pickle.dumps(Canary(tmp_path / "ran")))
    code, _, err = ask("generate", "--model", tmp_path / "model", "--prompt", "The")
    assert (code, (tmp_path / "ran").exists()) == (0, False), err


def test_a_model_that_diverged_is_named(ask, tiny, tmp_path):
    shutil.copytree(tiny / "causal", tmp_path / "model")
    damage_numbers(tmp_path / "model")
    fails(ask("generate", "--model", tmp_path / "model", "--steps"), 1, "answers with NaN")
    fails(
        ask("recite", "--model", tmp_path / "model", "--shards", "{}/shards", "--prefix", "8", "--continue", "8"),
        1,
        "NaN",
    )


@pytest.mark.slow
def test_the_module_is_a_program(tiny):
    command = [sys.executable, "-m", "probes", "generate", "--model", str(tiny / "causal"), "--json"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["generations"]
    assert done.stderr == ""
