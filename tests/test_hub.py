"""Models by their name on the hub: over HTTP from a stand-in on loopback, safetensors alone, errors in one line.

Tests marked `hub` ask the real one, wherever it is in reach.
"""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import torch
from huggingface_hub.constants import ENDPOINT
from safetensors.torch import load_file

from probes.fill_mask import fill
from probes.generation import generate
from probes.model import load
from tests.hub_server import COMMIT, hub_environment, hub_server
from tests.models import make_causal, make_masked, make_tokenizer

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A hub with tiny models: causal, masked, and one that is pickled."""
    root = tmp_path_factory.mktemp("hub")
    tokenizer = make_tokenizer(root / "tokenizer")
    make_causal(root / "causal", tokenizer)
    make_masked(root / "masked", tokenizer)
    make_causal(root / "pickled", tokenizer)
    torch.save(load_file(root / "pickled" / "model.safetensors"), root / "pickled" / "pytorch_model.bin")
    (root / "pickled" / "model.safetensors").unlink()
    torch.save({}, root / "causal" / "pytorch_model.bin")
    (root / "causal" / "modeling_evil.py").write_text("raise SystemExit\n")
    models = {
        "tiny-causal": root / "causal",
        "someone/tiny-masked": root / "masked",
        "someone/pickled": root / "pickled",
    }
    with hub_server(models) as (address, requests):
        yield root, address, requests


ASK = """
import contextlib, io, json, sys
from wikilm.cli import run
from probes.__main__ import PROGRAM, main

answers = []
for argv in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run(main, PROGRAM, argv)
    answers.append([status, out.getvalue(), err.getvalue()])
print(json.dumps(answers))
"""
GENERATE = ("generate", "--model", "tiny-causal", "--prompt", "The river", "--json", "--steps")
FILL_MASK = ("fill-mask", "--model", "someone/tiny-masked", "--text", "The [MASK].", "--json")


def ask(address, home, *questions):
    """(status, stdout, stderr) of each question, in one process of its own: the hub's address is read at import."""
    environment = {**os.environ, **hub_environment(address, home), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", ASK, json.dumps(questions)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def fails(answer, name, fragment):
    """One line on stderr that names the model and the reason, nothing on stdout, status 1."""
    status, out, err = answer
    assert (status, out) == (1, "")
    assert err.startswith(f"python -m probes: error: {name}: "), err
    assert fragment in err
    assert err.count("\n") == 1


def test_models_are_loaded_by_name_without_pickles_or_code_and_answer_when_the_hub_is_gone(served, tmp_path):
    root, address, requests = served
    strange = [("anatomy", "--model", name) for name in ("no-such-model", "someone/pickled")]
    generated, filled, unknown, pickled = ask(address, tmp_path, GENERATE, FILL_MASK, *strange)

    assert generated[0] == 0, generated[2]
    (generation,) = json.loads(generated[1])["generations"]
    assert generation["ids"] == list(generate(load(str(root / "causal")), "The river", 16, 5, steps=False).ids)
    assert filled[0] == 0, filled[2]
    best = json.loads(filled[1])["models"][0]["clozes"][0]["blanks"][0]["choices"][0]
    assert best["id"] == fill(load(str(root / "masked")), "The [MASK].", 5, 1).blanks[0].choices[0].id

    files = [request for request in requests if "/resolve/" in request]
    assert any(request.endswith("tiny-causal/resolve/" + COMMIT + "/model.safetensors") for request in files)
    assert not any(request.endswith((".bin", ".py")) for request in files), "neither pickles nor code are downloaded"

    fails(unknown, "no-such-model", "the hub has no such model")
    fails(pickled, "someone/pickled", "holds pickled weights only")

    with hub_server({}) as (gone, _):
        pass  # the port is free again: nobody answers there
    again, unreachable = ask(gone, tmp_path, FILL_MASK, ("anatomy", "--model", "someone/never-seen"))
    assert again == filled
    fails(unreachable, "someone/never-seen", "the model hub cannot be reached")
    assert "HF_ENDPOINT" in unreachable[2]


@pytest.fixture(scope="session")
def hub():
    """The real hub, or a skip that says why."""
    request = urllib.request.Request(f"{ENDPOINT}/gpt2/resolve/main/config.json", method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=5).close()
    except (OSError, ValueError) as error:
        pytest.skip(f"the model hub is out of reach: {error}")


@pytest.mark.hub
def test_bert_fills_the_blank_as_published(hub):
    cloze = fill(load("bert-base-uncased"), "Life is like a [MASK] of chocolates.", 5, 1)
    assert cloze.logits_shape == (1, 11, 30522)
    choices = cloze.blanks[0].choices
    assert [choice.token for choice in choices] == ["box", "bag", "bowl", "jar", "cup"]
    expected = [0.1764, 0.1688, 0.0419, 0.0336, 0.0262]
    assert [choice.probability for choice in choices] == pytest.approx(expected, abs=1e-4)


@pytest.mark.hub
def test_gpt2_goes_on_as_published(hub):
    result = generate(load("gpt2"), "Swimming at the beach is", 15, 5, steps=True)
    assert [step.chosen.token for step in result.steps[:2]] == [" a", " great"]
    assert len(result.prompt_ids) + len(result.ids) == 20
    assert "a great way to get a little extra energy." in result.continuation
