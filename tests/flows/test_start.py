"""A command says what is wrong with its flags and params, and helps, before it imports what takes seconds."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT

HEAVY = {
    "accelerate", "apache_beam", "awkward", "datasets", "dvc", "dvclive", "matplotlib", "numba", "numpy", "pandas",
    "pyarrow", "torch", "transformers",
}  # fmt: skip
PIPELINE = ["pipeline", "pipeline.tokenizer", "pipeline.show", "pipeline.verify", "pipeline.locate"]
QUESTIONS = ["anatomy", "fill-mask", "generate", "recite", "index", "trace", "report", "explore"]
COMMANDS = [
    *PIPELINE,
    "train",
    "train.launch",
    "train.runs",
    "train.verify",
    "train.prove_resume",
    "probes",
    *(f"probes {question}" for question in QUESTIONS),
]
TRAIN = "train --objective causal --shards none --tokenizer none --output none"
WRONG = {  # a command line, and what is told of it
    **{f"{command} --no-such-flag": "error: " for command in COMMANDS if command != "train.launch"},
    "pipeline --chunk-tokns 8": "--chunk-tokns",
    "pipeline --params none.yaml": "none.yaml: no such params file",
    "pipeline --params {empty}": "section 'source' is missing",
    "pipeline --chunk-tokens 1": "--chunk-tokens: ",
    "pipeline.tokenizer --params {empty}": "section 'tokenizer' is missing",
    "pipeline.show --page-id 1 --params {empty}": "section 'source' is missing",
    f"{TRAIN} --params {{empty}}": "section 'pretrain.causal' is missing",
    "probes fill-mask --model none --top-k 0": "--top-k: ",
}


def run(command: str) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """What came of a command, and the packages that it imported."""
    line = [sys.executable, "-X", "importtime", "-m", *command.split()]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    imported = re.findall(r"^import time:.*\| +([\w.]+)$", done.stderr, re.MULTILINE)
    return done, {name.partition(".")[0] for name in imported}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_waits_for_nothing(command: str) -> None:
    done, imported = run(f"{command} --help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: python -m {command} ")
    assert {"argparse", "wikilm"} <= imported
    assert not imported & HEAVY


@pytest.mark.parametrize("command", WRONG)
def test_a_mistake_in_flags_and_params_is_told_at_once(command: str, tmp_path: Path) -> None:
    empty = tmp_path / "params.yaml"
    empty.write_text("nothing: {}\n", encoding="utf-8")
    done, imported = run(command.format(empty=empty))
    assert done.returncode == 2
    assert WRONG[command] in done.stderr
    assert not imported & (HEAVY - ({"numpy", "pyarrow"} if command.startswith("train") else set()))


@pytest.mark.slow
def test_a_small_corpus_becomes_tokenizer_and_shards_without_torch_and_without_the_compiler(tmp_path: Path) -> None:
    for command in (
        f"pipeline.tokenizer --vocab-size 300 --output {tmp_path}/tokenizer",
        f"pipeline --tokenizer {tmp_path}/tokenizer --output {tmp_path}/shards",
    ):
        done, imported = run(command)
        assert done.returncode == 0, done.stderr
        assert "pyarrow" in imported
        assert not imported & {"torch", "numba", "matplotlib", "datasets", "dvc"}
