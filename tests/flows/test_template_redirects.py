"""A run with `template_redirects` knows the dump's redirects to known templates, and so do all who read the page."""

import json
from pathlib import Path

import pytest

from pipeline.__main__ import main as pipeline
from pipeline.output.card import card
from pipeline.output.publish import UNFINISHED
from pipeline.output.reports import REDIRECTS
from pipeline.run import redirects as pass_of_redirects
from pipeline.show import main as show
from tests.helpers import ROOT
from tests.helpers.dumps import Page, make_dump
from tests.helpers.pipeline_runs import tree
from wikilm.cli import run
from wikilm.shards import Manifest, manifest_bytes, parse_manifest, read_manifest

TEXT = "The river is {{Km|%d|km}} long, and {{Twice|%d|km}} wide, and {{Own+(1)|blue|deep}} as the sea. " * 20
PAGES = [
    *(Page(number, f"River {number}", TEXT % ((number,) * 40)) for number in range(10, 16)),
    # The middle of the chain stands behind its start, and in another unit.
    Page(1, "Template:Twice", ns=10, redirect="Template:Km"),
    Page(2, "Template:Km", ns=10, redirect="Template:Convert"),
    Page(3, "Template:Circle", ns=10, redirect="Template:Ring"),
    Page(4, "Template:Ring", ns=10, redirect="Template:Circle"),
    Page(5, "Template:Lang", ns=10, redirect="Template:Infobox"),  # known as it is
]
OWN = ("--templates", "own+(1)={2} and {1}")


def made(source: Path, output: Path, tokenizer: Path, *more: str, status: int = 0) -> Manifest | None:
    arguments = ["--source", str(source), "--tokenizer", str(tokenizer), "--output", str(output), *more]
    arguments += ["--unit-bytes", "300", "--params", str(ROOT / "params.yaml"), "--validation-fraction", "0.4"]
    assert run(pipeline, "pipeline", arguments) == status
    return read_manifest(output) if status == 0 else None


@pytest.fixture(scope="module", params=["a-multistream.xml.bz2", "a.xml"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dump(tmp_path_factory.mktemp("dump") / request.param, PAGES)


def test_redirects_and_names_of_the_user_put_words_into_the_text(
    source: Path,
    tmp_path: Path,
    tiny_tokenizer: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)  # where no tokenizer lies, whose columns would make those of the text narrow
    monkeypatch.setenv("COLUMNS", "200")
    plain = made(source, tmp_path / "plain", tiny_tokenizer)
    known = made(source, tmp_path / "known", tiny_tokenizer, "--template-redirects", *OWN)
    gained = known.counts.text_bytes - plain.counts.text_bytes
    assert gained == 6 * 20 * (2 * len(" 10 km") + len(" deep and blue"))
    assert (plain.limits.templates, plain.limits.template_redirects) == (None, None)
    assert b"template" not in (tmp_path / "plain" / "manifest.json").read_bytes()
    assert (known.limits.templates, known.limits.template_redirects) == ({"own+(1)": "{2} and {1}"}, True)
    assert parse_manifest(manifest_bytes(known), "m") == known
    assert "--templates 'own+(1)={2} and {1}' \\\n  --template-redirects" in card(known)
    capsys.readouterr()
    look = ["--source", str(source), "--params", str(ROOT / "params.yaml"), "--title", "River 12"]
    assert run(show, "show", [*look, "--template-redirects", *OWN]) == 0
    assert "12 km long, and 12 km wide, and deep and blue" in " ".join(capsys.readouterr().out.split())


def test_any_number_of_workers_and_an_interrupted_run_give_the_same_bytes(
    tmp_path: Path, tiny_tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_dump(tmp_path / "a-multistream.xml.bz2", PAGES)
    asked = ("--template-redirects",)
    made(source, tmp_path / "one", tiny_tokenizer, *asked)
    made(
        source,
        tmp_path / "two",
        tiny_tokenizer,
        *asked,
        "--direct_num_workers=2",
        "--direct_running_mode=multi_threading",
    )
    assert tree(tmp_path / "two") == tree(tmp_path / "one")

    def breaks(*_: object) -> None:
        raise OSError("the machine is gone")

    with monkeypatch.context() as broken:
        broken.setattr(pass_of_redirects, "read_redirects", breaks)
        made(source, tmp_path / "again", tiny_tokenizer, *asked, status=1)
    kept = (tmp_path / "again" / UNFINISHED).glob(f"*/{REDIRECTS}/*")
    found = [json.loads(line)[0] for path in kept for line in path.read_bytes().splitlines()]
    assert sorted(found) == ["Circle", "Km", "Lang", "Ring", "Twice"]
    with monkeypatch.context() as resumed:
        resumed.setattr(pass_of_redirects, "run_graph", breaks)  # all is found
        made(source, tmp_path / "again", tiny_tokenizer, *asked)
    assert tree(tmp_path / "again") == tree(tmp_path / "one")
