"""Every snippet of docs/shards.md runs, beside a folder of shards, and sees all of its rows."""

import re
import shutil
from pathlib import Path

import pytest

from pipeline.output.card import card
from tests.helpers import ROOT
from wikilm.shards.format import CARD
from wikilm.shards.reading import read_manifest

DOC = (ROOT / "docs" / "shards.md").read_text(encoding="utf-8")
SNIPPETS = {
    re.findall(r"^import (?!re\b)(\w+)", code, re.MULTILINE)[0]: code
    for code in re.findall(r"^```python\n(.*?)^```", DOC, re.MULTILINE | re.DOTALL)
}


@pytest.fixture(scope="module")
def place(tiny_shards, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    shards = shutil.copytree(tiny_shards, folder / "data" / "shards")
    (shards / CARD).write_text(card(read_manifest(shards)))
    return folder


@pytest.mark.parametrize(
    ("library", "said"), [("datasets", ["24 6", "torch.Size([8, 32])"]), ("pyarrow", ["24 768 uint16"])]
)
def test_a_snippet_prints_what_is_there(place, monkeypatch, capsys, library, said):
    monkeypatch.chdir(place)
    exec(compile(SNIPPETS[library], "docs/shards.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == said


def test_the_snippet_of_polars_joins_rows_with_titles(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    names: dict = {}
    exec(compile(SNIPPETS["polars"], "docs/shards.md", "exec"), names)
    assert names["rows"].shape == (24, 2)
    assert names["rows"]["input_ids"].explode().len() == 24 * 32
    assert "title" in capsys.readouterr().out


def test_every_library_that_the_page_names_has_its_snippet():
    assert list(SNIPPETS) == re.findall(r"^## (\w+)", DOC, re.MULTILINE) == ["datasets", "pyarrow", "polars"]
