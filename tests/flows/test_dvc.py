"""dvc.yaml declares what each stage runs and reads, and DVC changes params.yaml as `wikilm preset` does."""

import ast
import difflib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from dvc.utils.hydra import apply_overrides
from dvclive import Live

from pipeline.output.publish import FINAL
from probes.curves.curves import SplitAnswers, Yardstick
from probes.curves.layout import as_csv
from probes.measuring import Baseline, Share
from probes.recitation.layout import curve_csv
from tests.helpers import ROOT
from tests.helpers.dvc_files import stages, yaml
from tests.helpers.pipeline_runs import tree, units_done
from tests.helpers.waiting import wait_until
from wikilm.params import SECTIONS
from wikilm.preset import merged
from wikilm.shards import SPLITS

STAGES = (
    "tokenizer",
    "shards",
    "pretrain@causal",
    "pretrain@masked",
    "index",
    "curves",
    "recitation",
    "fill_mask",
    "generation",
    "trace",
    "report",
)


def module_file(name: str) -> Path | None:
    """The project's file behind a module name, or None for a library's."""
    path = ROOT.joinpath(*name.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file() and name.split(".")[0] in ("wikilm", "pipeline", "train", "probes", "corpus"):
            return file
    return None


def imports(file: Path) -> set[Path]:
    """The project's files that a file imports, wherever in it the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {found for name in names if (found := module_file(name))}


def code_of(command: str) -> set[Path]:
    """All files of the project that a stage's command runs."""
    words = shlex.split(command.replace("\\$", "$"))
    module = words[words.index("-m") + 1]
    start = module_file(f"{module}.__main__") or module_file(module)
    assert start, f"{command}: no such module"
    seen, todo = set(), [start]
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            todo += imports(file)
    return seen


def test_the_stages_are_those_of_the_design():
    assert tuple(stages()) == STAGES


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_declares_all_the_code_that_it_runs(name):
    stage = stages()[name]
    declared = [ROOT / dep for dep in stage["deps"]]
    undeclared = {
        str(file.relative_to(ROOT))
        for file in code_of(stage["cmd"])
        if file.name != "__init__.py" and not any(file == dep or dep in file.parents for dep in declared)
    }
    assert undeclared == set()


def test_curves_are_drawn_by_the_steps_and_lengths_in_their_files(tmp_path):
    """By itself, DVC draws the last column by the number of the row."""
    drawn = [entry for stage in stages().values() for entry in stage.get("plots", [])]
    axes = {path: axes for entry in drawn for path, axes in entry.items()}
    live = Live(str(tmp_path), report=None, dvcyaml=None, save_dvc_exp=False)
    live.step = 25
    live.log_metric("loss", 1.5)
    live.next_step()
    header = next(tmp_path.rglob("loss.tsv")).read_text(encoding="utf-8").split("\n")[0].split("\t")
    curve = {"x": "step"}
    assert header == ["step", "loss"]
    assert axes == {
        "results/pretrain/causal/plots": curve,
        "results/pretrain/masked/plots": curve,
        "results/recitation_by_prefix.csv": {"x": "prefix", "y": "train_tokens"},
        "results/recitation_by_continuation.csv": {"x": "continuation", "y": "train_tokens"},
    }
    for by in ("prefix", "continuation"):
        assert {by, "train_tokens"} <= set(curve_csv(by, []).strip().split(","))


@pytest.mark.parametrize("kind", ["causal", "masked"])
def test_pictures_of_several_columns_are_drawn_from_what_the_curves_stage_writes(kind):
    share = Share(0.5, 0.4, 0.6, 10)
    recited = share if kind == "causal" else None
    splits = [SplitAnswers(split, 10, 1.0, share, share, recited, recited) for split in SPLITS]
    guesses = tuple(Baseline(name, share, share) for name in ("most_common", "bigram", "neighbours"))
    yardsticks = [Yardstick(split, 1.0, guesses) for split in SPLITS]
    curve = SimpleNamespace(points=[SimpleNamespace(step=25, splits=splits)], yardsticks=yardsticks)
    header = as_csv(curve).split("\n")[0].split(",")
    drawn = [axes for plot in yaml(ROOT / "dvc.yaml")["plots"] for axes in plot.values()]
    path = f"results/curves/{kind}.csv"
    columns = {column for axes in drawn for column in axes["y"].get(path, [])}
    assert columns
    assert columns <= set(header)
    assert {axes["x"] for axes in drawn} == {"step"} <= set(header)
    assert Path(path).parent in map(Path, stages()["curves"]["outs"])


@pytest.mark.slow
def test_a_published_model_is_fetched_by_its_name(tmp_path):
    """In a project whose one stage writes a folder, with the artifacts of ours."""
    artifacts = yaml(ROOT / "dvc.yaml")["artifacts"]
    outputs = {path for stage in stages().values() for path in stage["outs"]}
    assert {artifact["path"] for artifact in artifacts.values()} == {"models/causal", "models/masked"} < outputs
    project, remote = tmp_path / "project", tmp_path / "remote"
    project.mkdir()
    for name, artifact in artifacts.items():
        made = project / artifact["path"]
        made.mkdir(parents=True)
        (made / "config.json").write_text(json.dumps({"of": name}), encoding="utf-8")
    (project / "dvc.yaml").write_text(json.dumps({"artifacts": artifacts}), encoding="utf-8")
    for command in (
        "git init --quiet",
        "dvc init --quiet",
        f"dvc remote add --quiet --default storage {remote}",
        f"dvc add --quiet {' '.join(artifact['path'] for artifact in artifacts.values())}",
        "dvc push --quiet",
        "git add .",
        "git -c user.name=me -c user.email=me@example.org commit --quiet --message Publish",
        *(f"git -c user.name=me -c user.email=me@example.org tag -a {name}@v1.0.0 -m It" for name in artifacts),
    ):
        subprocess.run(shlex.split(command), cwd=project, check=True)
    for name in artifacts:
        command = ["dvc", "artifacts", "get", str(project), name, "--out", str(tmp_path / name)]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        assert json.loads((tmp_path / name / "config.json").read_text(encoding="utf-8")) == {"of": name}


def test_every_section_of_the_params_belongs_to_a_stage_and_is_taken_whole():
    declared = {key for stage in stages().values() for key in stage["params"]}
    params = yaml(ROOT / "params.yaml")
    there = {f"{key}.{inner}" for key in ("pretrain",) for inner in params[key]} | (set(params) - {"pretrain"})
    assert declared == there == set(SECTIONS)


def test_the_shards_stage_names_what_has_a_final_name_and_leaves_unfinished_work_alone():
    assert set(stages()["shards"]["outs"]) == {f"data/shards/{name}" for name in FINAL}


def test_bytecode_and_compiled_code_are_no_change_of_the_code():
    kept = [f"pipeline/__pycache__/{name}" for name in ("run.cpython-311.pyc", "token_core.tokenize-203.py311.1.nbc")]
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "check-ignore", *kept, "pipeline/run.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == kept


@pytest.mark.slow
def test_dvc_repro_goes_on_from_what_a_killed_one_has_done(tmp_path):
    for name in ("wikilm", "pipeline", "corpus"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, tmp_path)
    dvc = [sys.executable, "-m", "dvc"]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "PATH": path, "DVC_NO_ANALYTICS": "1"}
    subprocess.run([*dvc, "init", "--no-scm", "--quiet"], cwd=tmp_path, env=environment, check=True)
    subprocess.run([*dvc, "repro", "--quiet", "tokenizer"], cwd=tmp_path, env=environment, check=True)
    plain = [sys.executable, "-m", "pipeline", "--tokenizer", "data/tokenizer", "--output", "plain"]
    subprocess.run(plain, cwd=tmp_path, env=environment, check=True)
    first = subprocess.Popen([*dvc, "repro", "shards"], cwd=tmp_path, env=environment, start_new_session=True)
    shards = tmp_path / "data/shards"
    wait_until(lambda: units_done(shards) or first.poll() is not None)
    assert first.poll() is None
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    done = units_done(shards)
    again = subprocess.run(
        [*dvc, "repro", "shards"], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    said = again.stdout + again.stderr
    assert f"{done} of " in said
    assert "units are done already" in said
    assert tree(shards) == tree(tmp_path / "plain")


def set_by_dvc(path: Path, *changes: str) -> str:
    """What `dvc exp run -S` makes of a params file."""
    apply_overrides(path, list(changes))
    return path.read_text(encoding="utf-8")


def changed_lines(before: str, after: str) -> list[str]:
    """What `git diff` shows."""
    diff = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in diff if not line.startswith(("---", "+++", "@@"))]


def test_the_committed_params_have_the_form_that_dvc_writes(tmp_path):
    path = Path(shutil.copy(ROOT / "params.yaml", tmp_path))
    committed = path.read_text(encoding="utf-8")
    epochs = yaml(path)["pretrain"]["causal"]["epochs"]
    assert set_by_dvc(path, f"pretrain.causal.epochs={epochs}") == committed


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("report.title=Hi", "  title: Hi"),
        ("pretrain.masked.learning_rate=5e-5", "    learning_rate: 5e-05"),
        ("source.contact=you@example.org", "  contact: you@example.org"),
        ("tokenizer.vocab_size=null", "  vocab_size:"),
    ],
)
def test_a_change_by_dvc_is_a_change_of_one_line_that_keeps_its_comment(tmp_path, change, line):
    path = Path(shutil.copy(ROOT / "params.yaml", tmp_path))
    before = path.read_text(encoding="utf-8")
    removed, added = changed_lines(before, set_by_dvc(path, change))
    assert added.startswith(f"+{line} ")
    assert added.partition("#")[2] == removed.partition("#")[2] != ""


def test_dvc_and_our_command_write_the_same(tmp_path):
    path = Path(shutil.copy(ROOT / "params.yaml", tmp_path))
    by_us = merged(path.read_text(encoding="utf-8"), {"split.take": [50, 50], "pretrain.causal.clip_norm": 1e-7})
    assert by_us == set_by_dvc(path, "split.take=[50,50]", "pretrain.causal.clip_norm=1e-7")
    assert yaml(path)["split"]["take"] == [50, 50]


@pytest.mark.slow
def test_dvc_exp_run_keeps_what_was_edited_by_hand_and_set_before(tmp_path):
    """With stages that do nothing, in a repository of their own."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / ".dvc", tmp_path / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    (tmp_path / "dvc.yaml").write_text("stages: {one: {cmd: 'true', params: [report, pretrain]}}\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "all"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    path = tmp_path / "params.yaml"
    committed = path.read_text(encoding="utf-8")
    epochs = yaml(path)["pretrain"]["causal"]["epochs"]
    path.write_text(committed.replace(f"epochs: {epochs} ", f"epochs: {epochs + 1} ", 1))
    for change in ("report.title=Hi", "pretrain.causal.learning_rate=5e-5"):
        command = [sys.executable, "-m", "dvc", "exp", "run", "--quiet", "-S", change]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    params = yaml(path)
    causal = params["pretrain"]["causal"]
    assert (causal["epochs"], causal["learning_rate"], params["report"]["title"]) == (epochs + 1, 5e-5, "Hi")
    lines = changed_lines(committed, path.read_text(encoding="utf-8"))
    assert len(lines) == 2 * 3
    assert all("#" in line for line in lines)


def test_the_committed_lock_is_of_the_committed_code_and_params():
    """What DVC finds changed may be outputs, which a fresh clone lacks, but no code, no corpus and no params."""
    lock = yaml(ROOT / "dvc.lock")["stages"]
    assert set(lock) == set(STAGES)
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    status = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    made = ("data/", "models/", "results/", "report/")
    changed = {
        (stage, path)
        for stage, entries in status.items()
        for entry in entries
        if entry == "changed command" or isinstance(entry, dict)
        for path in ([entry] if isinstance(entry, str) else entry.get("changed deps", {}))
        if not path.startswith(made)
    }
    assert changed == set(), "run make repro and commit dvc.lock"
