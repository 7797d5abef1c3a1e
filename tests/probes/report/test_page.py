"""The report: one page that needs nothing from outside, escapes what it quotes, the same for the same inputs."""

import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from probes.cloze.fill_mask import run_fill_mask
from probes.generation import run_generation
from probes.measuring.rows import sample_rows
from probes.model.loading import load
from probes.output import json_text
from probes.recitation.recite import recite
from probes.report.page import Inputs, write_report
from probes.report.plots import loss_curves, recitation_by_prefix
from probes.settings import FillMaskSettings, GenerationSettings, RecitationSettings, ReportSettings
from wikilm.errors import RunError
from wikilm.shards.format import MANIFEST
from wikilm.shards.manifest import manifest_bytes
from wikilm.shards.reading import read_manifest

HOSTILE = "<script>alert(1)</script> \"'>& \x1b[2J \u202e"
VOID = {"meta", "br", "img", "input", "hr", "link"}


def training(kind):
    history = [
        {"step": step, "epoch": step / 10, "loss": 6 - step / 20, "learning_rate": 0.1} for step in range(10, 101, 10)
    ]
    for point in history[1::2]:
        point |= {"validation_loss": 4 + abs(point["step"] - 40) / 30, "perplexity": 55.0, "sample": HOSTILE}
    return {
        "format": 1, "objective": kind, "steps": 100, "planned_steps": 100, "epochs": 10.0, "tokens": 51200,
        "parameters": 39296, "loss": 1.0, "mean_loss": 3.25, "validation_loss": 6.0, "lowest_validation_loss": 4.0,
        "lowest_validation_step": 40, "settings": {"layers": 2}, "history": history,
    }  # fmt: skip


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    """All that a report needs, with hostile text wherever text comes from outside."""
    root = shutil.copytree(tiny, tmp_path_factory.mktemp("report"), dirs_exist_ok=True)
    for kind in ("causal", "masked"):
        (root / kind / "training.json").write_text(json.dumps(training(kind)))
    manifest = read_manifest(root / "shards")
    source = manifest.source.model_copy(update={"name": HOSTILE, "checksum": HOSTILE})
    left_out = {HOSTILE: 3, "namespace:1": 2, "namespace:10": 5, "not_taken": 4}
    counts = manifest.counts.model_copy(update={"left_out": left_out})
    changed = manifest.model_copy(update={"source": source, "counts": counts})
    (root / "shards" / MANIFEST).write_bytes(manifest_bytes(changed))
    causal = load(str(root / "causal"))
    names = [str(root / "masked"), str(root / "causal")]
    fill_mask = FillMaskSettings(texts=(f"A [MASK] {HOSTILE}"[:40],), rows=4)
    recitation = RecitationSettings(prefix=8, continuation=8, prefix_lengths=(1, 4, 8), examples=2)
    generation = GenerationSettings(prompts=(HOSTILE[:24],), max_new_tokens=4, shown=3)
    results = {
        "fill_mask": run_fill_mask(names, root / "shards", fill_mask)[0],
        "generation": run_generation(causal, generation, steps=True),
        "recitation": recite(causal, sample_rows(root / "shards", causal, None, 0), recitation),
    }
    (root / "results").mkdir()
    for name, result in results.items():
        (root / "results" / f"{name}.json").write_text(json_text(result))
    return root


def inputs(root):
    return Inputs(root / "shards", root / "tokenizer", root / "causal", root / "masked", root / "results")


@pytest.fixture(scope="module")
def report(made):
    figures, told = write_report(inputs(made), made / "report", ReportSettings(title=f"About {HOSTILE}"))
    return (made / "report" / "index.html").read_text(encoding="utf-8"), figures, told


class Page(HTMLParser):
    """Which elements, attributes and text a page has, and whether every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.attributes, self.text, self.open = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_whole_and_needs_nothing_from_outside(report):
    page = Page(report[0])
    assert page.open == []
    assert not {"script", "link", "iframe", "img", "object", "embed", "base", "form"} & set(page.elements)
    assert "://" not in report[0]
    assert "url(http" not in report[0]
    assert "@import" not in report[0]
    for name, value in page.attributes:
        assert not name.startswith("on"), name
        assert name not in ("src", "href") or value.startswith(("#", "data:")), value
    for value in re.findall(r"url\(([^)]*)\)", report[0]):
        assert value.strip("'\"").startswith("#")


def test_hostile_text_is_shown_as_text(report):
    html = report[0]
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    shown = "".join(Page(html).text)
    assert shown.count("<script>alert(1)</script>") >= 4, "title, source, checksum and reason"


def test_every_section_is_there_in_the_order_of_the_data(made, report):
    ids = re.findall(r'<section id="([\w-]+)">', report[0])
    assert ids == ["corpus", "tokenizer", "training", "anatomy", "fill-mask", "generation", "recitation"]
    assert report[0].count("<svg ") == 3
    shown = "".join(Page(report[0]).text)
    for expected in (
        f"{sum(p.numel() for p in load(str(made / 'causal')).model.parameters()):,} parameters",
        "validation loss is lowest, 4.00, at step\n      40",
        "of 2 other namespaces",
        "not taken",
    ):
        assert expected in shown, expected


def test_the_metrics_are_grouped_numbers_of_four_digits_on_disk_as_returned(made, report):
    stored = json.loads((made / "report" / "metrics.json").read_text())
    assert stored == report[1]
    assert {group: list(of_group) for group, of_group in stored.items()} == {
        "corpus": ["rows"],
        "causal": ["val_loss", "recited"],
        "masked": ["val_loss", "top5"],
    }
    assert stored["corpus"]["rows"] == 24
    assert stored["causal"]["val_loss"] == 6.0
    for of_group in stored.values():
        for value in of_group.values():
            assert value == float(f"{value:.4g}")


def test_the_five_figures_that_matter_are_those_of_the_results(made, report):
    recitation = json.loads((made / "results" / "recitation.json").read_text())["metrics"]
    hidden = json.loads((made / "results" / "fill_mask.json").read_text())["metrics"]
    shares = [recitation["train_tokens"], recitation["validation_tokens"]]
    shares += [hidden["masked_train_top5"], hidden["masked_validation_top5"]]
    lines = report[2].splitlines()
    assert [line.split("  ")[-2].strip() for line in lines[:4]] == [f"{100 * share:.1f} %" for share in shares]
    assert lines[4].lstrip().split("  ") == [
        "4.00",
        "lowest validation loss of the causal model, at step 40 of 100; 6.00 at the end",
    ]
    assert max(map(len, lines)) <= 120


def test_a_figure_that_the_results_lack_is_left_out(made, tmp_path):
    shutil.copytree(made, tmp_path / "copy")
    path = tmp_path / "copy" / "results" / "fill_mask.json"
    result = json.loads(path.read_text())
    for model in result["models"]:
        model["accuracies"] = []
    path.write_text(json.dumps(result))
    figures, _ = write_report(inputs(tmp_path / "copy"), tmp_path / "report", ReportSettings())
    assert list(figures["masked"]) == ["val_loss"]


def test_the_same_inputs_give_the_same_bytes(made, report, tmp_path):
    write_report(inputs(made), tmp_path, ReportSettings(title=f"About {HOSTILE}"))
    for name in ("index.html", "metrics.json"):
        assert (tmp_path / name).read_bytes() == (made / "report" / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html", "metrics.json"]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("results/recitation.json", "make it with python -m probes recite"),
        ("results/fill_mask.json", "make it with python -m probes fill-mask"),
        ("causal/training.json", "make it with python -m train --objective causal"),
        ("shards/manifest.json", "make them with python -m pipeline"),
        ("tokenizer/tokenizer.json", "make it with python -m pipeline.tokenizer"),
        ("masked/model.safetensors", "no model.safetensors"),
    ],
)
def test_what_is_missing_is_named_with_the_command_that_makes_it(made, tmp_path, damage, expected):
    shutil.copytree(made, tmp_path / "copy")
    (tmp_path / "copy" / damage).unlink()
    with pytest.raises(RunError, match=expected):
        write_report(inputs(tmp_path / "copy"), tmp_path / "report", ReportSettings())
    assert not (tmp_path / "report").exists(), "nothing half-written"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("results/recitation.json", "{", "recitation.json: file: Invalid JSON"),
        ("results/recitation.json", "[]", "recitation.json"),
        ("results/generation.json", '{"metrics": {}, "model": "m"}', "generation.json: generations: "),
        ("causal/training.json", '{"objective": "causal"}', "training.json: steps: "),
        ("causal/training.json", json.dumps({**training("causal"), "loss": float("nan")}), "training.json: loss: "),
        ("results/fill_mask.json", '{"metrics": {}, "masked_fraction": 0.15, "models": []}', "make them again"),
    ],
)
def test_a_damaged_record_is_named_with_its_key(made, tmp_path, name, content, expected):
    shutil.copytree(made, tmp_path / "copy")
    (tmp_path / "copy" / name).write_text(content)
    with pytest.raises(RunError, match=expected):
        write_report(inputs(tmp_path / "copy"), tmp_path / "report", ReportSettings())


def test_exchanged_models_are_noticed(made, tmp_path):
    exchanged = Inputs(made / "shards", made / "tokenizer", made / "masked", made / "causal", made / "results")
    with pytest.raises(RunError, match="exchanged"):
        write_report(exchanged, tmp_path / "report", ReportSettings())


def test_plots_follow_the_theme_and_carry_no_date(made):
    first = loss_curves([(1, 3.0), (2, 2.0)], [(2, 2.5)], (2, 2.5))
    assert first == loss_curves([(1, 3.0), (2, 2.0)], [(2, 2.5)], (2, 2.5))
    assert "var(--train)" in first
    assert "var(--validation)" in first
    assert "lowest 2.50" in first
    assert "metadata" not in first
    assert "#0101" not in first
    assert loss_curves([], [], None).startswith("<svg role=")


def test_no_point_of_the_recitation_is_left_out_of_its_plot(made):
    result = json.loads((made / "results" / "recitation.json").read_text())
    assert [(p["split"], p["prefix"]) for p in result["by_prefix"]] == [
        (split, prefix) for split in ("train", "validation") for prefix in (1, 4, 8)
    ]
    causal = load(str(made / "causal"))
    settings = RecitationSettings(prefix=8, continuation=8, prefix_lengths=(1, 4, 8))
    points = recite(causal, sample_rows(made / "shards", causal, None, 0), settings).by_prefix
    svg = recitation_by_prefix(points)
    assert svg != recitation_by_prefix(points[:-1])
    assert "validation text" in svg


def test_the_manifest_that_the_page_quotes_is_a_valid_one(made):
    assert read_manifest(made / "shards").source.name == HOSTILE
