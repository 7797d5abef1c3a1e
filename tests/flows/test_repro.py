"""What `make repro` must have left behind: run by `make check-repro` after it, in the same folder."""

import ast
import json
import re
import subprocess
import sys

import pytest

from tests.helpers import ROOT
from wikilm.dvc_lock import MACHINE_INDEPENDENT, outputs, stages

pytestmark = pytest.mark.repro


def results(name: str) -> dict:
    return json.loads((ROOT / "results" / f"{name}.json").read_text(encoding="utf-8"))


def training(objective: str) -> dict:
    return json.loads((ROOT / "models" / objective / "training.json").read_text(encoding="utf-8"))


def run(*words: str) -> str:
    return subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_a_second_run_would_do_nothing():
    assert json.loads(run("dvc", "status", "--json")) == {}


def committed(name: str) -> str:
    """A file as the last commit has it."""
    command = ["git", "show", f"HEAD:{name}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_tokenizer_and_shards_are_the_committed_ones_on_every_machine():
    before, now = (
        outputs(stages(text)) for text in (committed("dvc.lock"), (ROOT / "dvc.lock").read_text(encoding="utf-8"))
    )
    assert all(now[stage] for stage in MACHINE_INDEPENDENT)
    assert {stage: now[stage] for stage in MACHINE_INDEPENDENT} == {
        stage: before[stage] for stage in MACHINE_INDEPENDENT
    }, "commit dvc.lock with a change of the code, the parameters or the source"


def test_the_figures_differ_from_the_committed_ones_as_those_of_another_machine_may(capsys):
    before = json.loads(committed("report/metrics.json"))
    now = json.loads((ROOT / "report/metrics.json").read_text(encoding="utf-8"))
    assert {group: set(figures) for group, figures in now.items()} == {
        group: set(figures) for group, figures in before.items()
    }
    with capsys.disabled():
        print("\n  figure              committed      here")
        for group, figures in now.items():
            for name, value in figures.items():
                print(f"  {f'{group} {name}':18} {before[group][name]:10} {value:9}")
    assert now["corpus"] == before["corpus"]
    for group in ("causal", "masked"):  # a loss in nats per token, and a share
        assert now[group]["val_loss"] == pytest.approx(before[group]["val_loss"], rel=0.1)
    assert now["causal"]["recited"] == pytest.approx(before["causal"]["recited"], abs=0.05)
    assert now["masked"]["top5"] == pytest.approx(before["masked"]["top5"], abs=0.1)


def test_the_shards_are_what_their_manifest_says_and_datasets_opens_them():
    import datasets

    run("pipeline.verify", "data/shards")
    counts = json.loads((ROOT / "data/shards/manifest.json").read_text())["counts"]
    both = datasets.load_from_disk(str(ROOT / "data/shards"))
    for split, rows in both.items():
        assert len(rows) == counts[f"{split}_chunks"] > 0
        assert len(rows[0]["input_ids"]) == 128


def test_the_causal_model_recites_what_it_was_trained_on_and_nothing_else():
    metrics = results("recitation")["metrics"]
    assert metrics["train_tokens"] >= 0.95
    assert metrics["validation_tokens"] < 0.10


def test_the_training_loss_ends_low_while_the_validation_loss_has_risen():
    figures = training("causal")
    assert figures["loss"] < 0.5
    assert figures["validation_loss"] > figures["lowest_validation_loss"] + 0.1
    assert figures["steps"] == figures["planned_steps"]


def test_the_masked_model_knows_the_hidden_tokens_of_its_training_text():
    assert results("fill_mask")["metrics"]["masked_train_top5"] >= 0.60


def test_the_trained_folders_are_plain_transformers_models():
    from transformers import pipeline

    filled = pipeline("fill-mask", model=str(ROOT / "models/masked"))("Life is like a <|mask|> of chocolates.")
    assert len(filled) == 5
    written = pipeline("text-generation", model=str(ROOT / "models/causal"))(
        "Swimming at the beach is", max_new_tokens=8
    )
    assert written[0]["generated_text"].startswith("Swimming at the beach is")


def test_the_python_of_the_readme_runs():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [code] = re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "\nThe river" in done.stdout
    assert len(ast.literal_eval(done.stdout.splitlines()[-1])) == 5  # guesses for the blank


def test_dvc_shows_metrics_and_plots(tmp_path):
    metrics = json.loads(run("dvc", "metrics", "show", "--json"))
    assert set(metrics[""]["data"]) == {"report/metrics.json"}
    run("dvc", "plots", "show", "--out", str(tmp_path))
    assert "validation_loss" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_the_report_opens_in_a_browser_without_asking_for_anything():
    from tests.helpers.browser import open_page

    page = open_page(ROOT / "report" / "index.html")
    assert page.requests == [(ROOT / "report" / "index.html").as_uri()]
    assert page.errors == []
    assert page.width <= 1200
    for heading in ("corpus", "loss", "fill", "recit"):
        assert heading in page.text.lower()
