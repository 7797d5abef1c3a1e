"""The built wheel, outside of any checkout: each extra installs and works alone, on every Python at hand."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers import ROOT

VERSIONS = ("3.11", "3.12", "3.13")
# What each extra must do without: the import names of what the others are for.
WITHOUT = {
    "pipeline": ("torch", "accelerate", "dvc", "dvclive", "hydra", "matplotlib"),
    "train": ("apache_beam", "dvc", "dvclive", "hydra", "gigatoken", "numba", "lxml", "matplotlib"),
    "probes": ("apache_beam", "dvc", "dvclive", "hydra", "gigatoken", "numba", "lxml", "accelerate"),
}
TINY = [f"pretrain.causal.{one}" for one in ("layers=1", "heads=2", "width=16", "sample_every_steps=null")]
# One process: the environments of a Python are shared, and the shards of all Pythons are compared.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]


@dataclass(frozen=True)
class Environment:
    """A virtual environment with the wheel and one extra, and the folder that its commands run in."""

    bin: Path
    folder: Path

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment; nothing of ours but the wheel is in reach."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        command = [str(self.bin / str(words[0])), *map(str, words[1:])]
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        offline = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
        return subprocess.run(
            command, cwd=self.folder, env=kept | offline | {"PATH": path}, capture_output=True, text=True, check=False
        )

    def output(self, *words: object) -> str:
        """What a command that must succeed prints."""
        done = self.run(*words)
        assert done.returncode == 0, f"{words}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        assert "Traceback" not in done.stderr
        return done.stdout


def uv() -> str:
    """The program uv, which `make` names; `make setup` brings one where there is none."""
    found = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".venv-uv" / "bin" / "uv")
    if not Path(found).is_file():
        pytest.skip("uv is not here: make setup brings one")
    return str(Path(found).resolve())


def interpreter(version: str) -> Path:
    """A Python of a version that runs: our own, one on the PATH, or pyenv's."""
    named = [sys._base_executable, shutil.which(f"python{version}")]
    for found in [*filter(None, named), *sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))]:
        says = "import sys; print('%d.%d' % sys.version_info[:2])"
        done = subprocess.run([found, "-c", says], capture_output=True, text=True, check=False)
        if done.stdout.strip() == version:
            return Path(found)
    pytest.skip(f"no Python {version} on this machine")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([uv(), "build", "--quiet", "--wheel", "--out-dir", folder, ROOT], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module", params=VERSIONS)
def installed(request, wheel, tmp_path_factory):
    """Makes the environment of an extra, for one version of Python; all of a version run in one folder."""
    python = interpreter(request.param)
    folder = tmp_path_factory.mktemp(f"python{request.param}-")
    work = folder / "work"
    work.mkdir()

    def install(extra: str) -> Environment:
        venv = folder / extra
        if not venv.exists():
            subprocess.run([uv(), "venv", "--quiet", "--python", python, venv], check=True)
            # Versions and hashes of the lock, for what this extra needs; nothing is built here, and so nothing hidden.
            install = [uv(), "pip", "install", "--quiet", "--verify-hashes", "--only-binary", ":all:", "--python", venv]
            constraint = ["--constraint", ROOT / "requirements.lock"]
            done = subprocess.run(
                [*install, *constraint, f"wikilm[{extra}] @ {wheel.as_uri()}"], capture_output=True, text=True
            )
            assert done.returncode == 0, f"Python {request.param}: {done.stderr}"
        return Environment(venv / "bin", work)

    yield install
    shutil.rmtree(folder)  # some gigabytes, where the cache lies on another file system


@pytest.fixture(scope="module")
def shards(installed) -> Path:
    """The bundled corpus as shards, made with the pipeline's extra and the parameters that are built in."""
    pipeline = installed("pipeline")
    tokenizer = pipeline.run("wikilm", "tokenizer", "--output", "tokenizer")
    assert tokenizer.returncode == 0, tokenizer.stderr
    assert "PyTorch" not in tokenizer.stderr
    pipeline.output("wikilm", "preprocess", "--tokenizer", "tokenizer", "--output", "shards")
    return pipeline.folder / "shards"


@pytest.fixture(scope="module")
def model(installed, shards) -> Path:
    """A tiny model, trained for three steps with the train extra."""
    train = installed("train")
    train.output("wikilm", "preset", "laptop", *TINY, "--params", "tiny.yaml")
    flags = ["--objective", "causal", "--shards", shards, "--tokenizer", "tokenizer", "--params", "tiny.yaml"]
    told = json.loads(train.output("wikilm", "train", *flags, "--output", "model", "--max-steps", 3).splitlines()[-1])
    assert (told["steps"], told["objective"]) == (3, "causal")
    return train.folder / "model"


@pytest.mark.parametrize("extra", WITHOUT)
def test_an_extra_brings_nothing_of_the_others(installed, extra):
    code = "import importlib.util as u, sys; print(*[name for name in sys.argv[1:] if u.find_spec(name)])"
    assert installed(extra).output("python", "-c", code, *WITHOUT[extra]).split() == []


MANIFESTS: dict[str, str] = {}  # Python -> digest of the shards it made


def test_the_pipeline_works_without_torch_and_makes_the_same_bytes_on_every_python(installed, shards, request):
    pipeline = installed("pipeline")
    counts = json.loads((shards / "manifest.json").read_text())["counts"]
    assert json.loads(pipeline.output("wikilm", "verify", shards))["train_rows"] == counts["train_chunks"] > 0
    assert "Honey bee" in pipeline.output("wikilm", "show", "--title", "Honey bee", "--tokenizer", "tokenizer")
    assert "https://" in pipeline.output("wikilm", "locate", "--shards", shards, "--row", 0)
    for module in ("pipeline.verify", "pipeline.show", "pipeline.locate", "pipeline.tokenizer", "pipeline"):
        assert f"usage: python -m {module} " in pipeline.output("python", "-m", module, "--help")
    MANIFESTS[request.node.name] = (shards / "manifest.json").read_text()
    assert len(set(MANIFESTS.values())) == 1


def test_training_works_without_beam_and_dvc_and_can_check_its_shards(installed, shards, model):
    train = installed("train")
    assert (model / "model.safetensors").stat().st_size > 0
    for words in (["wikilm", "verify"], ["python", "-m", "pipeline.verify"]):
        assert json.loads(train.output(*words, shards))["files"] > 0
    broken = shutil.copytree(shards, train.folder / "broken")
    (broken / "README.md").write_text("another")
    done = train.run("wikilm", "verify", broken)
    assert done.returncode == 1
    assert "README.md" in done.stderr


def test_the_probes_work_without_beam_dvc_and_accelerate(installed, shards, model):
    probes = installed("probes")
    flags = ["--model", model, "--shards", shards, "--rows", 4, "--json"]
    assert json.loads(probes.output("wikilm", "probe", "recite", *flags))["metrics"]
    wings = "cloze.fill_mask curves generation likelihood.perplexity model.anatomy recitation.recite report.page trace"
    probes.output("python", "-c", "import " + ", ".join(f"probes.{name}" for name in wings.split()))
    code = (
        "from probes.cloze.statements import read_statements as read; print(len(read('known')), len(read('unknown')))"
    )
    assert probes.output("python", "-c", code).split() == ["100", "100"]


@pytest.mark.parametrize(
    ("extra", "command", "missing"),
    [
        ("train", "preprocess", "pipeline"),
        ("probes", "tokenizer", "pipeline"),
        ("pipeline", "train --objective causal --shards shards --tokenizer tokenizer --output x", "train"),
        ("pipeline", "probe anatomy --model x", "probes"),
    ],
)
def test_a_command_of_another_extra_names_it_in_one_line(installed, shards, extra, command, missing, wheel):
    environment = installed(extra)
    done = environment.run("wikilm", *command.split())
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"the extra '{missing}' brings it: pip install './{wheel.name}[{missing}]'" in done.stderr
