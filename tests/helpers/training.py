"""Build and train models with small settings, in this process or by the command."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.helpers import ROOT
from train.__main__ import main, parse
from train.plan.plan import Plan, make_plan
from train.settings import SETTINGS, Objective, PretrainSettings
from wikilm.cli import run
from wikilm.files import sha256_of
from wikilm.params import section
from wikilm.shards.manifest import TokenizerEntry

PARAMS = ROOT / "params.yaml"
TOKENIZER = TokenizerEntry(sha256="0" * 64, vocab_size=400, end_of_text_id=398, mask_id=399)
SHAPE = {"layers": 2, "heads": 2, "width": 16}
HIDDEN_ALONE: dict[str, dict[str, object]] = {"causal": {}, "masked": {"predict": "masked", "masked_fraction": 0.45}}
TINY = {
    **SHAPE, "batch_size": 4, "epochs": 5, "dropout": 0.1, "learning_rate": 0.02, "log_every_steps": 4,
    "validate_every_steps": 10, "checkpoint_every_steps": 7, "sample_every_steps": 20,
}  # fmt: skip


def make_settings(objective: Objective, **overrides: object) -> PretrainSettings:
    """The laptop preset with other values; the masked model predicts what is hidden, whatever its layers."""
    return section(PARAMS, f"pretrain.{objective}", SETTINGS[objective], HIDDEN_ALONE[objective] | overrides)


@dataclass(frozen=True)
class TrainingInputs:
    """Shards and their tokenizer; each run writes into a folder of its own."""

    shards: Path
    tokenizer: Path

    def arguments(self, folder: Path, objective: str = "causal", **settings: object) -> list[str]:
        """Flags of a run with the settings `TINY`, and others, into `folder`."""
        params = folder / "params.yaml"
        if not params.exists() or settings:
            folder.mkdir(parents=True, exist_ok=True)
            everything = YAML(typ="safe").load(PARAMS)
            values = everything["pretrain"][objective] | TINY | HIDDEN_ALONE[objective] | settings
            YAML(typ="safe").dump({"pretrain": {objective: values}}, params)
        return [
            *("--objective", objective, "--shards", str(self.shards), "--tokenizer", str(self.tokenizer)),
            *("--output", str(folder / "model"), "--params", str(params)),
        ]


def plan_of(arguments: Sequence[str]) -> Plan:
    """The plan of a run with these flags."""
    return make_plan(**vars(parse(arguments)))


def planned(tiny: Path, folder: Path, objective: Objective, **settings: object) -> Plan:
    """The plan of a run into `folder` on the shards in `tiny`, with the settings `TINY` and others."""
    return plan_of(TrainingInputs(tiny / "shards", tiny / "tokenizer").arguments(folder, objective, **settings))


@dataclass(frozen=True)
class Done:
    """What a run of the command said."""

    stdout: str
    stderr: str


def train(arguments: Sequence[str], status: int = 0) -> Done:
    """Run the command in this process: importing torch anew for every test would take most of their time."""
    with redirect_stdout(io.StringIO()) as stdout, redirect_stderr(io.StringIO()) as stderr:
        try:
            returned = run(main, "train", list(arguments))
        except SystemExit as end:
            returned = int(str(end.code))
    done = Done(stdout.getvalue(), stderr.getvalue())
    assert returned == status, done.stderr
    return done


def environment(**more: str) -> dict[str, str]:
    """What a run in a process of its own finds: one CPU thread, and no hub."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "HF_HUB_OFFLINE": "1", **more}


def launched(
    arguments: Sequence[str], *script: str, config: str = "multi-gpu.yaml", flags: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """A run of two processes, by the command or by a script that runs it; `flags` are the launcher's."""
    start = ["-m", "train.launch", "--config_file", f"launch/{config}", "--num_processes", "2", *flags]
    command = [sys.executable, *start, *(script or ("-m", "train")), *arguments]
    more = environment(PYTHONPATH=str(ROOT))
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=more, check=False)


def record(folder: Path) -> dict[str, Any]:
    """The training.json of the model that a run made in `folder`."""
    return json.loads((folder / "model" / "training.json").read_text())


def tree(folder: Path) -> dict[str, str]:
    """The files below a folder, each with its hash."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


# A training that is killed when a folder is about to get a name of a pattern, its first argument
KILLED = """
import fnmatch, os, runpy, sys
pattern = "*/" + sys.argv[1]
def hook(event, arguments):
    if event == "os.rename" and fnmatch.fnmatch(str(arguments[1]), pattern):
        os.kill(os.getpid(), 9)
sys.addaudithook(hook)
sys.argv = ["train", *sys.argv[2:]]
runpy.run_module("train", run_name="__main__")
"""
