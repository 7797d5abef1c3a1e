"""What DVC has of a finished run goes to another machine by a remote, and its tables fit a terminal of 120 columns."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc.cli import main as dvc_main

from tests.helpers import ROOT
from tests.helpers.dvc_files import stages, yaml
from tests.helpers.s3 import s3_server

DOC = (ROOT / "docs" / "remotes.md").read_text(encoding="utf-8")
BLOCKS = [block.splitlines() for block in re.findall(r"^```sh\n(.*?)^```", DOC, re.MULTILINE | re.DOTALL)]
TO_FOLDER, TO_BUCKET, ENDPOINT, FETCH, *_ = BLOCKS  # the others: test_dvc.py and test_dvc_training.py
METRICS = {"corpus": {"rows": 494}, "causal": {"val_loss": 7.123, "recited": 0.9987}, "masked": {"val_loss": 6.543}}
COLUMNS = 120


def dvc(*words: str) -> None:
    """A command of DVC, in this process: importing DVC anew for each would take most of the time."""
    assert dvc_main(list(words)) == 0, words


def git(*words: str) -> None:
    subprocess.run(["git", *words], check=True, capture_output=True)


def do(line: str, *replaced: tuple[str, str]) -> None:
    """A line of the page, with the addresses of this test."""
    for old, new in replaced:
        line = line.replace(old, new)
    program, *words = shlex.split(line)
    {"dvc": dvc, "git": git}[program](*words)


def paths(entries: list) -> list[str]:
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


@pytest.fixture(scope="module", autouse=True)
def committer() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_NAME", "a")
            patch.setenv(f"GIT_{role}_EMAIL", "a@example.org")
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A checkout after `dvc repro`: the real dvc.yaml, with a word of text for each file that stages read and make."""
    folder = tmp_path_factory.mktemp("versions") / "wikilm"
    folder.mkdir()
    for name in ("dvc.yaml", "params.yaml", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, folder)
    source = yaml(ROOT / "params.yaml")["source"]["path"]
    names = {
        path.replace("${source.path}", source)
        for stage in stages().values()
        for kind in ("deps", "outs", "metrics", "plots")
        for path in paths(stage.get(kind, []))
    }
    for name in names:
        if any(other.startswith(f"{name}/") for other in names):
            continue
        path = folder / name
        if path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name}\n")
        else:
            path.mkdir(parents=True)
            (path / "file.tsv").write_text("step\tloss\n1\t2.0\n")
    (folder / "data/shards/dead_letters.jsonl").write_text("\n")
    (folder / "report/metrics.json").write_text(json.dumps(METRICS))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        git("init", "--quiet")
        dvc("init", "--quiet")
        dvc("commit", "--force", "--quiet")
        git("add", "--all")
        git("commit", "--quiet", "--message", "finished")
    return folder


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.slow)])
def shared(request, finished, tmp_path, monkeypatch) -> Iterator[None]:
    """The finished run, pushed as the page says."""
    copy = shutil.copytree(finished, tmp_path / "here", symlinks=True)
    monkeypatch.chdir(copy)
    if request.param == "folder":
        for line in TO_FOLDER:
            do(line, ("/mnt/shared", str(tmp_path / "mounted")))
        yield
        return
    with s3_server("my-bucket"):
        do(TO_BUCKET[0])
        for line in ENDPOINT:
            do(line, ("https://s3.example.org", os.environ["AWS_ENDPOINT_URL"]))
        monkeypatch.delenv("AWS_ENDPOINT_URL")  # the page's line alone must lead there
        for line in TO_BUCKET[1:]:
            do(line)
        yield


def test_what_one_machine_pushed_another_has_and_need_not_make(shared, tmp_path, monkeypatch, capsys):
    here = Path.cwd()
    git("clone", "--quiet", str(here), str(tmp_path / "there"))
    monkeypatch.chdir(tmp_path / "there")
    assert not Path("models").exists()
    assert json.loads(Path("report/metrics.json").read_text()) == METRICS
    capsys.readouterr()
    said = []
    for line in FETCH:
        do(line)
        said.append(capsys.readouterr().out)
    assert [command.split()[1] for command in FETCH] == ["pull", "status", "repro"]
    assert "up to date" in said[1]
    assert "up to date" in said[2]
    for stage in stages().values():
        for name in (path for kind in ("outs", "metrics", "plots") for path in paths(stage.get(kind, []))):
            there = Path(name)
            files = [there] if there.is_file() else sorted(path for path in there.rglob("*") if path.is_file())
            assert files, name
            assert [path.read_bytes() for path in files] == [(here / path).read_bytes() for path in files]


def test_nothing_that_a_run_makes_is_taken_for_an_empty_file_or_for_a_change(finished):
    status = subprocess.run(["git", "status", "--short"], cwd=finished, capture_output=True, text=True, check=True)
    assert status.stdout == ""
    again = subprocess.run(
        [sys.executable, "-m", "dvc", "commit", "--force"], cwd=finished, capture_output=True, text=True, check=True
    )
    assert "WARNING" not in again.stdout + again.stderr


@pytest.mark.slow
def test_the_tables_of_metrics_and_experiments_fit_a_terminal(finished, tmp_path, monkeypatch, capsys):
    def shown(*words: str) -> list[str]:
        capsys.readouterr()
        dvc(*words)
        return [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    copy = shutil.copytree(finished, tmp_path / "here", symlinks=True)
    monkeypatch.chdir(copy)
    params = Path("params.yaml").read_text()
    epochs = yaml(Path("params.yaml"))["pretrain"]["causal"]["epochs"]
    Path("params.yaml").write_text(params.replace(f"epochs: {epochs}", f"epochs: {epochs + 6}", 1))
    Path("models/causal/file.tsv").write_text("other")
    changed = METRICS | {"causal": {"val_loss": 7.2, "recited": 0.5}}
    Path("report/metrics.json").write_text(json.dumps(changed))
    dvc("commit", "--force", "--quiet")
    difference = shown("metrics", "diff")
    assert [line.split()[1:4] for line in difference[1:]] == [
        ["causal.recited", "0.9987", "0.5"],
        ["causal.val_loss", "7.123", "7.2"],
    ]
    dvc("exp", "save", "--quiet", "--name", "longer")
    metrics = shown("metrics", "show")
    # In a process of its own, since rich takes the width of the terminal once in a process.
    command = [sys.executable, "-m", "dvc", "exp", "show", "--only-changed", "--no-pager"]
    environment = os.environ | {"COLUMNS": str(COLUMNS)}
    table = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    experiments = [line.rstrip() for line in table.splitlines()]
    for table in (metrics, experiments):
        assert max(map(len, table)) <= COLUMNS
    for name in ("corpus.rows", "causal.val_loss", "causal.recited", "masked.val_loss"):
        assert name in metrics[0]
    assert {"causal.val_loss", "causal.recited", "pretrain.causal.epochs"} <= set(experiments[1].split())
    assert any("[longer]" in line and str(epochs + 6) in line for line in experiments)
