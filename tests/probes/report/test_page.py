"""The report: one page that needs nothing from outside, escapes what it quotes, the same for the same inputs."""

import base64
import hashlib
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import jsonschema
import pytest
from pydantic import TypeAdapter

from probes.model.loading import load
from probes.report.page import SCHEMA, Inputs, write_report
from probes.report.story import Story
from probes.settings import ReportSettings
from tests.helpers.trainings import HOSTILE, training
from wikilm.errors import RunError
from wikilm.shards.reading import read_manifest

VOID = {"meta", "br", "img", "input", "hr", "link"}


def copied(root):
    """The inputs of a report in a copy of its folders."""
    return Inputs(root / "shards", root / "tokenizer", root / "causal", root / "masked", root / "results")


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
    assert page.elements.count("script") == page.elements.count("style") == 1
    assert not {"link", "iframe", "img", "object", "embed", "base", "form"} & set(page.elements)
    assert "url(http" not in report[0]
    assert "@import" not in report[0]
    for name, value in page.attributes:
        assert not name.startswith("on"), name
        assert name not in ("style", "src"), name
        assert name != "href" or value.startswith(("#", "https://", "http://")), value
    for value in re.findall(r"url\(([^)]*)\)", report[0]):
        assert value.strip("'\"").startswith("#")
    assert len(report[0]) < 3_000_000


def test_the_policy_of_the_page_allows_its_own_script_and_style_alone(report):
    [policy] = [value for _, value in Page(report[0]).attributes if value and value.startswith("default-src")]
    for kind, element in (("script-src", "script"), ("style-src", "style")):
        [text] = re.findall(rf"<{element}>(.*?)</{element}>", report[0], re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


def test_hostile_text_is_shown_as_text(report):
    html = report[0]
    assert "<script>document" not in html
    assert "&lt;script&gt;document" in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    shown = "".join(Page(html).text)
    assert shown.count("<script>document.title='ran'</script>") >= 5, "title, source, checksum, reason, checkpoints"


def test_every_section_is_there_in_the_order_of_the_story_each_with_an_id_of_its_own(made, report):
    ids = re.findall(r'<section id="([\w-]+)"', report[0])
    assert ids == ["corpus", "tokens", "asking", "learning", "blanks", "writing", "reciting", "lost", "making"]
    assert len(re.findall('<svg class="plot"', report[0])) == 3
    page = Page(report[0])
    own = [value for name, value in page.attributes if name == "id"]
    assert len(own) == len(set(own))
    assert {value[1:] for name, value in page.attributes if name == "href" and value[0] == "#"} <= set(own)
    shown = re.sub(r"\s+", " ", "".join(page.text))
    for expected in (
        f"{sum(p.numel() for p in load(str(made / 'causal')).model.parameters()):,} parameters",
        "Learning turns into learning by heart at step 40",
        "of 2 other namespaces",
        "left out: not taken",
        "After step 50, at its best",
    ):
        assert expected in shown, expected


def test_the_parts_of_the_articles_and_of_the_pages_add_up(made, report):
    corpus = json.loads((made / "report" / "figures.json").read_text())["corpus"]
    manifest = read_manifest(made / "shards")
    assert corpus["articles"] == manifest.counts.articles
    for whole in ("article", "page"):
        assert {"name", "count"} == set(corpus[f"{whole}_parts"][0])
    of_articles = {part["name"]: part["count"] for part in corpus["article_parts"]}
    assert of_articles["for training"] == manifest.counts.train_articles
    assert of_articles["left out: not taken"] == 4


def test_the_figures_beside_the_page_follow_their_schema(made, report):
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    expected = TypeAdapter(Story).json_schema(mode="serialization")
    made_by = "TypeAdapter(Story).json_schema(mode='serialization'), as JSON with an indent of 1"
    assert schema == expected, f"{SCHEMA} is not that of the story: it is {made_by}"
    figures = json.loads((made / "report" / "figures.json").read_text())
    jsonschema.validate(figures, schema)
    assert TypeAdapter(Story).validate_python(figures, strict=False).title.startswith("About")


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
    figures, _ = write_report(copied(tmp_path / "copy"), tmp_path / "report", ReportSettings())
    assert list(figures["masked"]) == ["val_loss"]


@pytest.mark.parametrize("without", ["curves", "trace", "blanks", "steps", "examples"])
def test_a_part_that_the_results_lack_is_left_out_of_the_page(made, tmp_path, without):
    root = shutil.copytree(made, tmp_path / "copy")
    if without in ("curves", "trace"):
        (root / "results" / f"{without}.json").unlink()
    else:
        name, change = {
            "blanks": ("fill_mask", {"models": []}),
            "steps": ("generation", {"generations": []}),
            "examples": ("recitation", {"examples": []}),
        }[without]
        path = root / "results" / f"{name}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    write_report(copied(root), tmp_path / "report", ReportSettings())
    page = Page((tmp_path / "report" / "index.html").read_text())
    assert page.open == []
    assert page.elements.count("section") == 9


def test_the_same_inputs_give_the_same_bytes(made, inputs, report, tmp_path):
    write_report(inputs, tmp_path, ReportSettings(title=f"About {HOSTILE}", sample=HOSTILE[:40]))
    for name in ("index.html", "figures.json", "metrics.json"):
        assert (tmp_path / name).read_bytes() == (made / "report" / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures.json", "index.html", "metrics.json"]


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
        write_report(copied(tmp_path / "copy"), tmp_path / "report", ReportSettings())
    assert not (tmp_path / "report").exists(), "nothing half-written"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("results/recitation.json", "{", "recitation.json: file: Invalid JSON"),
        ("results/recitation.json", "[]", "recitation.json"),
        ("results/generation.json", '{"metrics": {}, "model": "m"}', "generation.json: decoding: "),
        ("causal/training.json", '{"objective": "causal"}', "training.json: steps: "),
        ("causal/training.json", json.dumps({**training("causal"), "loss": float("nan")}), "training.json: loss: "),
        (
            "results/curves.json",
            '{"metrics": {}}',
            r"curves.json: \w+: .*; make it again with python -m probes",
        ),
    ],
)
def test_a_damaged_record_is_named_with_its_key(made, tmp_path, name, content, expected):
    shutil.copytree(made, tmp_path / "copy")
    (tmp_path / "copy" / name).write_text(content)
    with pytest.raises(RunError, match=expected):
        write_report(copied(tmp_path / "copy"), tmp_path / "report", ReportSettings())


@pytest.mark.parametrize("name", ["fill_mask", "generation", "recitation", "curves", "trace"])
def test_a_result_of_another_model_or_of_other_shards_is_refused(made, tmp_path, name):
    root = shutil.copytree(made, tmp_path / "copy")
    path = root / "results" / f"{name}.json"
    for key, change in (("shards", "0" * 64), ("models", [])):
        result = json.loads((made / "results" / f"{name}.json").read_text())
        result["made_from"][key] = change
        path.write_text(json.dumps(result))
        with pytest.raises(RunError, match=rf"{name}\.json: .*make it again with python -m probes"):
            write_report(copied(root), tmp_path / "report", ReportSettings())
    assert not (tmp_path / "report").exists()


def test_exchanged_models_are_noticed(inputs, tmp_path):
    exchanged = replace(inputs, causal=inputs.masked, masked=inputs.causal)
    with pytest.raises(RunError, match="exchanged"):
        write_report(exchanged, tmp_path / "report", ReportSettings())
