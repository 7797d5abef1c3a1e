"""Trainings as stages of DVC: killed they go on, two at once do no harm, and what is pulled can be verified."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.output.publish import FINAL
from tests.helpers import ROOT
from tests.helpers.pipeline_runs import tree
from tests.helpers.waiting import wait_until
from wikilm.preset import merged
from wikilm.presets import values
from wikilm.stage import DVC_STAGE

pytestmark = pytest.mark.slow
DVC = [sys.executable, "-m", "dvc"]
STAGE = "pretrain@causal"
TRAIN = [
    *(sys.executable, "-m", "train", "--objective", "causal", "--shards", "data/shards"),
    *("--tokenizer", "data/tokenizer"),
]


class Checkout:
    """A folder with the code of the stages and the preset `tiny`, in which DVC is set up."""

    def __init__(self, folder: Path) -> None:
        """Make it; of Git there is nothing."""
        self.folder = folder
        for name in ("wikilm", "pipeline", "train", "corpus", "launch"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("dvc.yaml", ".dvcignore"):
            shutil.copy(ROOT / name, folder)
        text = (ROOT / "params.yaml").read_text(encoding="utf-8")
        longer = {"pretrain.causal.epochs": 8}
        (folder / "params.yaml").write_text(merged(text, values("tiny") | longer), encoding="utf-8")
        self.run(*DVC, "init", "--no-scm", "--quiet")

    @property
    def environment(self) -> dict[str, str]:
        """One thread, this Python, and code from the folder."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        kept = {name: value for name, value in os.environ.items() if name != DVC_STAGE}
        more = {"PYTHONPATH": str(self.folder), "PATH": path, "DVC_NO_ANALYTICS": "1", "OMP_NUM_THREADS": "1"}
        return kept | more | {"ACCELERATE_USE_CPU": "true"}

    def run(self, *command: str, status: int = 0) -> str:
        """Run a command, and return all that it said."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    @contextlib.contextmanager
    def training(self) -> Iterator[subprocess.Popen[str]]:
        """`dvc repro` of a training, which has saved its first checkpoint."""
        process = subprocess.Popen(
            [*DVC, "repro", STAGE], cwd=self.folder, env=self.environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            wait_until(lambda: list(self.folder.glob("runs/causal/*/step-*")) or process.poll() is not None)
            assert process.poll() is None, process.communicate()[0]
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose training was killed by SIGKILL with DVC and all, while another `dvc repro` was tried."""
    checkout = Checkout(tmp_path_factory.mktemp("dvc"))
    checkout.run(*DVC, "repro", "--quiet", "shards")
    with checkout.training() as first:
        said = checkout.run(*DVC, "repro", STAGE, status=255)
        (checkout.folder / "second.txt").write_text(said.replace(str(first.pid), "FIRST"))
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    assert not (checkout.folder / "models" / "causal").exists()
    return checkout


@pytest.fixture(scope="module")
def finished(killed: Checkout) -> Checkout:
    """The same after the same command."""
    (killed.folder / "again.txt").write_text(killed.run(*DVC, "repro", STAGE))
    return killed


def test_a_second_dvc_repro_is_refused_and_says_who_is_at_work(killed: Checkout) -> None:
    said = (killed.folder / "second.txt").read_text()
    assert "is busy, it is being blocked by" in " ".join(said.split())
    assert "PID FIRST" in said


def test_a_killed_dvc_repro_goes_on_and_ends_in_the_bytes_of_an_undisturbed_run(finished: Checkout) -> None:
    said = (finished.folder / "again.txt").read_text()
    assert "; from step " in said
    assert "; from scratch to" not in said
    finished.run(*TRAIN, "--output", "plain/causal")
    for made, plain in (("models/causal", "plain/causal"), ("results/pretrain/causal", "plain/metrics/causal")):
        assert tree(finished.folder / made) == tree(finished.folder / plain)
    assert "up to date" in finished.run(*DVC, "status", STAGE)


def test_what_is_pulled_into_an_empty_clone_is_verified_and_a_flipped_byte_in_the_cache_is_found(
    finished: Checkout, tmp_path: Path
) -> None:
    remote = str(tmp_path / "remote")
    outs = [STAGE, "shards", "tokenizer"]
    finished.run(*DVC, "remote", "add", "--default", "storage", remote)
    finished.run(*DVC, "push", *outs)
    clone = Checkout(tmp_path / "clone")
    for name in ("dvc.lock", "params.yaml"):
        shutil.copy(finished.folder / name, clone.folder)
    clone.run(*DVC, "remote", "add", "--default", "storage", remote)
    clone.run(*DVC, "pull", *outs)
    model = [sys.executable, "-m", "train.verify", "models/causal"]
    shards = [sys.executable, "-m", "pipeline.verify", "data/shards"]
    clone.run(*model)
    clone.run(*shards)
    for path, verify, stage in (
        ("models/causal/model.safetensors", model, STAGE),
        ("models/causal/config.json", model, STAGE),
        (f"data/shards/{FINAL[0]}/data-00000-of-00001.arrow", shards, "shards"),
    ):
        file = clone.folder / path
        flip_in_cache(clone.folder / ".dvc" / "cache", file.read_bytes())
        file.unlink()
        clone.run(*DVC, "checkout", "--force", stage)
        assert f"{path}: has sha256" in clone.run(*verify, status=1)


def flip_in_cache(cache: Path, content: bytes) -> None:
    """Flip a bit of the cached file with this content; its mode stays, by which DVC takes it for unchanged."""
    [path] = [path for path in cache.rglob("*") if path.is_file() and path.read_bytes() == content]
    mode = path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    path.chmod(mode)
