"""Every command in the README is one that its program accepts, and runs, in its order, in a fresh clone made small."""

import argparse
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import reduce
from operator import getitem
from pathlib import Path

import pytest
from dvc.cli import parse_args as dvc_parse_args
from ruamel.yaml import YAML

from pipeline.run.beam import beam_options
from tests.helpers import ROOT
from wikilm.params import read_params

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.split(" #")[0].strip()
    for block in re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
    if line.strip()
]
BY_CI = {command for command in COMMANDS if command.startswith("make ")}  # minutes long: .ci/run calls them
PROGRAMS = {"cd", "export", "git", "pip", "source", "uv"}  # not ours: their words are not looked at
DUMP = "my-wiki-pages-articles-multistream"
TINY = {
    "layers": 1, "heads": 2, "width": 16, "epochs": 1, "validate_every_steps": 20,
    "checkpoint_every_steps": 20, "sample_every_steps": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def clone(tiny_tokenizer, tmp_path_factory):
    """A clone in which everything is small: the corpus, the models, and the longest training."""
    folder = tmp_path_factory.mktemp("readme") / "wikilm"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)], check=True)
    changed = subprocess.run(
        [*git, "ls-files", "-zmo", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    for name in filter(None, changed.stdout.decode().split("\0")):
        target = folder / name
        target.unlink(missing_ok=True)
        if (ROOT / name).exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    _small_corpus(folder)
    shutil.copytree(tiny_tokenizer, folder / "out" / "gpt2")
    _shrink(folder / "params.yaml")
    launch = folder / "launch" / "multi-gpu.yaml"
    launch.write_text(re.sub("use_cpu: false", "use_cpu: true", launch.read_text()).replace("MULTI_GPU", "MULTI_CPU"))
    subprocess.run([*git, "add", "--all"], cwd=folder, check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "small"], cwd=folder, check=True)
    return folder


def _small_corpus(folder: Path) -> None:
    """A dump of some pages of the bundled corpus, in the place where the README has the user's own."""
    pages = folder / "out" / "pages"
    pages.mkdir(parents=True)
    for path in [
        *sorted((ROOT / "corpus/pages/science").iterdir())[:20],
        ROOT / "corpus/pages/nature/honey-bee.wikitext",
    ]:
        shutil.copy2(path, pages)
    build = [sys.executable, "-m", "corpus.build", "--pages", str(pages), "--output", str(folder / "out")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    for path in (folder / "out").glob("miniwiki-*.bz2"):
        path.rename(folder / path.name.replace("miniwiki-pages-articles-multistream", DUMP))


def _shrink(path: Path) -> None:
    """The same params with tiny models and short trainings."""
    head = path.read_text(encoding="utf-8").partition("\n")[0]
    params = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    params["tokenizer"]["vocab_size"] = 600
    for objective in ("causal", "masked"):
        params["pretrain"][objective] |= TINY
    params["pretrain"]["masked"]["predict"] = "masked"  # TINY has two layers
    with path.open("w", encoding="utf-8") as file:
        file.write(head + "\n")
        YAML(pure=True).dump(params, file)


def _in_small(command: str) -> str:
    """The README's command, with what is too large for a test made small: the seed preset's models and vocabulary."""
    if command.startswith("wikilm preset seed"):
        shape = [
            f"pretrain.{one}.{key}={'null' if value is None else value}"
            for one in ("causal", "masked")
            for key, value in TINY.items()
        ]
        return " ".join([command, "tokenizer.pretrained=out/gpt2", "'split.take=[8,8]'", *shape])
    if command.startswith("wikilm prove-resume"):
        return command.replace("--kills 20", "--kills 1 --objective causal --processes 1 --accumulation 1")
    if command.endswith("dvc repro"):  # up to the training: the stages after it are those of the run before
        return f"{command} pretrain@causal"
    return command


class Accepted(Exception):
    """A parser has taken all flags; `rest` is what it leaves to Beam."""

    def __init__(self, rest):
        self.rest = rest


@pytest.fixture
def parse_only(monkeypatch):
    """Let no command do more than to read its flags: the outermost parser raises Accepted."""
    original, within = argparse.ArgumentParser.parse_known_args, []

    def parse(parser, args=None, namespace=None):
        within.append(parser)
        try:
            found, rest = original(parser, args, namespace)
        finally:
            within.pop()
        if not within:
            raise Accepted(rest)
        return found, rest

    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", parse)


def main_of(module):
    """The function behind `python -m module`."""
    names = (module, f"{module}.__main__")
    return next(found for name in names if (found := getattr(importlib.import_module(name), "main", None)))


@pytest.mark.parametrize("command", [command for command in COMMANDS if command not in BY_CI])
def test_every_command_is_accepted_with_all_its_flags(command, parse_only, monkeypatch):
    words = shlex.split(command)
    while "=" in words[0]:  # variables of its environment
        words.pop(0)
    if words[0] == "dvc":
        monkeypatch.undo()
        for setting in getattr(dvc_parse_args(words[1:]), "set_param", None) or []:
            reduce(getitem, setting.partition("=")[0].split("."), read_params(ROOT / "params.yaml"))
    elif words[0] == "wikilm" or "-m" in words:
        module = len(words) - words[::-1].index("-m") if "-m" in words else 0  # the last one: what a launcher launches
        with pytest.raises(Accepted) as accepted:
            main_of(words[module])(words[module + 1 :])
        monkeypatch.undo()
        beam_options(accepted.value.rest)
    else:
        assert words[0] in PROGRAMS


def test_what_the_readme_makes_is_made_by_ci():
    calls = (ROOT / ".ci" / "run").read_text().splitlines()
    assert set(calls) >= BY_CI - {"make setup"}  # which every other does first
    assert {"make repro", "make test"} <= BY_CI


@pytest.mark.slow
def test_every_other_command_runs(clone):
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org",
    }  # fmt: skip
    ran = 0
    for command in COMMANDS:
        if command in BY_CI or command == "source .venv/bin/activate":  # done for this process already
            continue
        done = subprocess.run(
            ["bash", "-c", _in_small(command)], cwd=clone, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        assert "Traceback" not in done.stderr, f"{command}\n{done.stderr[-4000:]}"
        ran += 1
        if command.startswith("dvc exp run"):
            status = subprocess.run(["dvc", "status"], cwd=clone, env=environment, capture_output=True, text=True)
            assert "up to date" in status.stdout, f"after {command}, a second run would do something: {status.stdout}"
            assert (clone / "report" / "index.html").stat().st_size > 10_000
    assert ran >= 15


def test_every_file_that_the_readme_names_is_there():
    in_text = re.findall(r"\]\(([\w./-]+)\)", README) + re.findall(r"`((?:launch|docs|corpus)/[\w./-]+)`", README)
    in_commands = re.findall(r"\b(?:launch|docs|corpus)/[\w./-]+", "\n".join(COMMANDS))
    for name in in_text + in_commands:
        assert (ROOT / name).exists(), name
