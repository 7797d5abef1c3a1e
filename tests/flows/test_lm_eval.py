"""EleutherAI's lm-eval runs on a model's folder, offline, and gives the word perplexity that the probe gives."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from probes.likelihood.perplexity import as_lines, perplexity, validation_texts
from probes.model.loading import load
from tests.helpers import ROOT
from tests.helpers.environments import environment_above

LOCK = ROOT / "requirements-eval.lock"


@pytest.fixture(scope="module")
def lm_eval(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, in an environment of its own above this one; a skip where the package registry is out of reach."""
    return environment_above(tmp_path_factory.mktemp("eval"), LOCK) / "lm_eval"


@pytest.mark.slow
def test_lm_eval_gives_the_perplexities_that_the_probe_gives(tiny: Path, tmp_path: Path, lm_eval: Path) -> None:
    model = load(str(tiny / "causal"))
    texts = validation_texts(tiny / "shards", model)
    texts.append(" ".join(texts))  # longer than the context
    (tmp_path / "validation.jsonl").write_text(as_lines(texts), encoding="utf-8")
    command = [
        *(str(lm_eval), "--model", "hf", "--model_args", f"pretrained={tiny / 'causal'}", "--device", "cpu"),
        *("--tasks", "wikilm", "--include_path", str(ROOT / "launch" / "lm_eval"), "--output_path", "out.json"),
    ]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (written,) = tmp_path.rglob("*out*.json")
    theirs = json.loads(written.read_text())["results"]["wikilm"]
    ours = perplexity(model, texts)
    for name in ("word_perplexity", "byte_perplexity", "bits_per_byte"):
        assert theirs[f"{name},none"] == pytest.approx(getattr(ours, name), rel=1e-5)
