"""dvc.yaml declares what each stage runs and reads, and the presets are settings that every stage accepts."""

import ast
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from ruamel.yaml import YAML

from pipeline.folder import FINAL
from pipeline.settings import ShardsSettings, SourceSettings, SplitSettings, TokenizerSettings
from probes.settings import FillMaskSettings, GenerationSettings, RecitationSettings, ReportSettings
from tests.chaos import finished, tree
from tests.waiting import wait_until
from train.settings import CausalSettings, MaskedSettings
from wikilm.params import Section, read_params, section

ROOT = Path(__file__).parents[1]
PRESETS = ("laptop", "seed", "wikipedia")
SECTIONS: dict[str, type[Section]] = {
    "source": SourceSettings,
    "split": SplitSettings,
    "tokenizer": TokenizerSettings,
    "shards": ShardsSettings,
    "pretrain.causal": CausalSettings,
    "pretrain.masked": MaskedSettings,
    "fill_mask": FillMaskSettings,
    "generation": GenerationSettings,
    "recitation": RecitationSettings,
    "report": ReportSettings,
}
STAGES = (
    "tokenizer",
    "shards",
    "pretrain@causal",
    "pretrain@masked",
    "fill_mask",
    "generation",
    "recitation",
    "report",
)


def yaml(path: Path) -> dict:
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def stages() -> dict[str, dict]:
    """The stages of dvc.yaml, with `foreach` laid out."""
    found = {}
    for name, stage in yaml(ROOT / "dvc.yaml")["stages"].items():
        for item in stage.get("foreach", [None]):
            text = repr(stage["do"] if item else stage).replace("${item}", str(item))
            found[f"{name}@{item}" if item else name] = ast.literal_eval(text)
    return found


def module_file(name: str) -> Path | None:
    """The project's file behind a module name, or None for a library's."""
    path = ROOT.joinpath(*name.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file() and name.split(".")[0] in ("pipeline", "train", "probes", "corpus"):
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


def test_every_section_of_the_params_belongs_to_a_stage_and_is_taken_whole():
    declared = {key for stage in stages().values() for key in stage["params"]}
    params = yaml(ROOT / "params.yaml")
    there = {f"{key}.{inner}" for key in ("pretrain",) for inner in params[key]} | (set(params) - {"pretrain"})
    assert declared == there == set(SECTIONS)


def test_the_shards_stage_names_what_has_a_final_name_and_leaves_unfinished_work_alone():
    assert set(stages()["shards"]["outs"]) == {f"data/shards/{name}" for name in FINAL}


@pytest.mark.slow
def test_dvc_repro_goes_on_from_what_a_killed_one_has_done(tmp_path):
    for name in ("pipeline", "corpus"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml"):
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
    wait_until(lambda: finished(shards) or first.poll() is not None)
    assert first.poll() is None
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    done = finished(shards)
    again = subprocess.run(
        [*dvc, "repro", "shards"], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    said = again.stdout + again.stderr
    assert f"{done} of " in said
    assert "units are done already" in said
    assert tree(shards) == tree(tmp_path / "plain")


def composed(preset: str) -> dict:
    with initialize_config_dir(str(ROOT / "conf"), version_base=None):
        return OmegaConf.to_container(compose("config", [f"preset={preset}"]), resolve=True)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_a_whole_set_of_valid_settings(preset, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(OmegaConf.to_yaml(OmegaConf.create(composed(preset))), encoding="utf-8")
    for key, settings in SECTIONS.items():
        assert isinstance(section(path, key, settings), settings)
    assert set(read_params(path)) == set(yaml(ROOT / "params.yaml"))


def test_the_committed_params_are_the_laptop_preset():
    assert read_params(ROOT / "params.yaml") == composed("laptop")


def test_the_seed_preset_is_the_tutorial():
    seed = composed("seed")
    assert (seed["tokenizer"]["pretrained"], seed["split"]["take"]) == ("gpt2", [50, 50])
    assert seed["shards"] | {"max_dead_fraction": 0} == {
        "chunk_tokens": 128,
        "chunking": "document",
        "max_dead_fraction": 0,
    }
    causal = seed["pretrain"]["causal"]
    assert (causal["layers"], causal["heads"], causal["width"]) == (12, 12, 768)
    assert (causal["batch_size"], causal["epochs"], causal["validate_every_steps"]) == (16, 100, 500)
    assert (causal["optimizer"], causal["learning_rate"], causal["schedule"]) == ("adamw", 5e-5, "linear")


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
