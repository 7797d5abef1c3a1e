"""Models by their name on the hub: over HTTP from a stand-in on loopback, safetensors alone, errors in one line.

Tests marked `hub` ask the real one, wherever it is in reach.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from probes.cloze.cloze import fill
from probes.generation import continue_prompts
from probes.model.loading import load
from tests.helpers import ROOT
from tests.helpers.hub_server import COMMIT, hub_environment, hub_server


@pytest.fixture
def models(tiny, tmp_path):
    """Names on a hub of tiny models: causal, masked, and one that is pickled; two have what is not to be downloaded."""
    for kind in ("causal", "masked", "pickled"):
        shutil.copytree(tiny / kind.replace("pickled", "causal"), tmp_path / kind)
    torch.save(load_file(tmp_path / "pickled" / "model.safetensors"), tmp_path / "pickled" / "pytorch_model.bin")
    (tmp_path / "pickled" / "model.safetensors").unlink()
    torch.save({}, tmp_path / "causal" / "pytorch_model.bin")
    (tmp_path / "causal" / "modeling_evil.py").write_text("raise SystemExit\n")
    return {
        "tiny-causal": tmp_path / "causal",
        "someone/tiny-masked": tmp_path / "masked",
        "someone/pickled": tmp_path / "pickled",
    }


ASK = """
import contextlib, io, json, sys
from huggingface_hub import close_session
from wikilm.cli import run
from probes.__main__ import PROGRAM, main

for line in sys.stdin:
    answers = []
    for argv in json.loads(line):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = run(main, PROGRAM, argv)
        answers.append([status, out.getvalue(), err.getvalue()])
    close_session()  # no connection outlives the hub
    print(json.dumps(answers), flush=True)
"""
GENERATE = ("generate", "--model", "tiny-causal", "--prompt", "The river", "--json", "--steps")
FILL_MASK = ("fill-mask", "--model", "someone/tiny-masked", "--text", "The [MASK].", "--json")


@contextlib.contextmanager
def asked(address, home):
    """A function from questions to the (status, stdout, stderr) of each, by a process of its own, to which a hub's
    address is given as it starts."""
    environment = {**os.environ, **hub_environment(address, home)}
    command = [sys.executable, "-c", ASK]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def ask(*questions):
            process.stdin.write(json.dumps(questions) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield ask
    assert process.returncode == 0


def fails(answer, name, fragment):
    """One line on stderr that names the model and the reason, nothing on stdout, status 1."""
    status, out, err = answer
    assert (status, out) == (1, "")
    assert err.startswith(f"python -m probes: error: {name}: "), err
    assert fragment in err
    assert err.count("\n") == 1


@pytest.mark.slow
def test_models_are_loaded_by_name_without_pickles_or_code_and_answer_when_the_hub_is_gone(models, tmp_path):
    strange = [("anatomy", "--model", name) for name in ("no-such-model", "someone/pickled")]
    with contextlib.ExitStack() as process:
        with hub_server(models) as (address, requests):
            ask = process.enter_context(asked(address, tmp_path / "home"))
            generated, filled, unknown, pickled = ask(GENERATE, FILL_MASK, *strange)
        again, unreachable = ask(FILL_MASK, ("anatomy", "--model", "someone/never-seen"))  # the hub is gone

    assert generated[0] == 0, generated[2]
    (generation,) = json.loads(generated[1])["generations"]
    (expected,) = continue_prompts(load(str(models["tiny-causal"])), ["The river"], 16)
    assert generation["ids"] == list(expected.ids)
    assert filled[0] == 0, filled[2]
    best = json.loads(filled[1])["models"][0]["clozes"][0]["blanks"][0]["readings"][0]["choices"][0]
    masked = load(str(models["someone/tiny-masked"]))
    assert best["id"] == fill(masked, "The [MASK].", 5, 1).blanks[0].choices[0].id

    files = [request for request in requests if "/resolve/" in request]
    assert any(request.endswith("tiny-causal/resolve/" + COMMIT + "/model.safetensors") for request in files)
    assert not any(request.endswith((".bin", ".py")) for request in files), "neither pickles nor code are downloaded"

    fails(unknown, "no-such-model", "the hub has no such model")
    fails(pickled, "someone/pickled", "holds pickled weights only")

    assert again == filled
    fails(unreachable, "someone/never-seen", "the model hub cannot be reached")
    assert "HF_ENDPOINT" in unreachable[2]


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
    (result,) = continue_prompts(load("gpt2"), ["Swimming at the beach is"], 15, shown=5)
    assert [step.chosen.token for step in result.steps[:2]] == [" a", " great"]
    assert len(result.prompt_ids) + len(result.ids) == 20
    assert "a great way to get a little extra energy." in result.continuation
