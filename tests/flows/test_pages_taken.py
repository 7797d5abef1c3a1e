"""Pages of the namespaces that are asked for are taken, each in its newest revision; all others are counted."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.__main__ import main as pipeline
from pipeline.output.card import card
from pipeline.show import main as show
from tests.helpers import ROOT, dumps
from tests.helpers.dumps import make_dump, revision
from wikilm.cli import run
from wikilm.shards import Manifest, manifest_bytes, parse_manifest, read_manifest

WORDS = " ".join(f"the river {number} flows by the sea" for number in range(40))


def made(
    tmp_path: Path, tiny_tokenizer: Path, source: Path, name: str = "out", *more: str
) -> tuple[Manifest, list[int]]:
    """The manifest of the shards of a source, and the page ids in its articles tables."""
    output = tmp_path / name
    arguments = ["--source", str(source), "--tokenizer", str(tiny_tokenizer), "--output", str(output), *more]
    assert run(pipeline, "pipeline", [*arguments, "--unit-bytes", "500", "--params", str(ROOT / "params.yaml")]) == 0
    manifest = read_manifest(output)
    tables = [pa.ipc.open_stream((output / entry.path).read_bytes()).read_all() for entry in manifest.articles]
    return manifest, sorted(page_id for table in tables for page_id in table["page_id"].to_pylist())


def page(number: int, year: int, text: str, redirect: bool = False) -> dumps.Page:
    element = '<redirect title="X" />' if redirect else ""
    raw = f"<page><title>T{number}</title><ns>0</ns><id>{number}</id>{element}"
    return dumps.Page(number, f"T{number}", raw=raw + revision(year, f"{year}-01-01T00:00:00Z", text) + "</page>")


@pytest.mark.parametrize("order", [[2001, 2003, 2002], [2003, 2002, 2001], [2001, 2002, 2003]])
@pytest.mark.parametrize("name", ["a.xml", "a-multistream.xml.bz2"])
def test_of_a_page_that_occurs_again_only_the_newest_revision_is_an_article(
    tmp_path: Path, tiny_tokenizer: Path, name: str, order: list[int]
) -> None:
    others = [page(number, 2010, f"{WORDS} {number}") for number in range(10, 16)]
    again = [page(5, year, f"{WORDS} of {year}") for year in order]
    source = make_dump(tmp_path / name, [others[0], again[0], *others[1:3], again[1], *others[3:], again[2]])
    manifest, ids = made(tmp_path, tiny_tokenizer, source)
    assert ids == [5, *range(10, 16)]
    assert (manifest.counts.pages, manifest.counts.articles, manifest.counts.left_out["repeated"]) == (9, 7, 2)
    (tmp_path / "newest").mkdir()
    newest = [again[order.index(2003)], *others]
    once, _ = made(tmp_path, tiny_tokenizer, make_dump(tmp_path / "newest" / name, newest), "once")
    assert once.counts.text_bytes == manifest.counts.text_bytes
    assert once.counts.tokens == manifest.counts.tokens


def test_a_newer_redirect_takes_its_article_out_and_a_newer_article_its_redirect(
    tmp_path: Path, tiny_tokenizer: Path
) -> None:
    pages = [
        page(1, 2001, WORDS), page(2, 2001, "", redirect=True), page(3, 2001, WORDS),
        page(1, 2002, "", redirect=True), page(2, 2002, WORDS),
    ]  # fmt: skip
    manifest, ids = made(tmp_path, tiny_tokenizer, make_dump(tmp_path / "a.xml.bz2", pages))
    assert ids == [2, 3]
    counts = manifest.counts
    assert (counts.pages, counts.articles, counts.redirects, counts.left_out["repeated"]) == (5, 2, 1, 2)


def test_repeated_rows_of_parquet_count_once_and_the_last_is_taken(tmp_path: Path, tiny_tokenizer: Path) -> None:
    ids = [1, 2, 1, 3, 2, 1]
    table = pa.table({"id": ids, "title": [f"T{i}" for i in ids], "text": [f"{WORDS} {row}" for row in range(6)]})
    (tmp_path / "rows").mkdir()
    for rows in (1, 2, 6):
        pq.write_table(table, tmp_path / "rows" / f"{rows}.parquet", row_group_size=rows)
        manifest, found = made(tmp_path, tiny_tokenizer, tmp_path / "rows" / f"{rows}.parquet", f"out-{rows}")
        assert found == [1, 2, 3]
        assert manifest.counts.left_out == {"repeated": 3}
        assert manifest.counts.text_bytes == 3 * len(f"{WORDS} 0")


def test_take_counts_articles_and_not_their_revisions(tmp_path: Path, tiny_tokenizer: Path) -> None:
    pages = [page(number, year, f"{WORDS} {year}") for year in (2001, 2002) for number in (5, 6, 7)]
    manifest, ids = made(tmp_path, tiny_tokenizer, make_dump(tmp_path / "a.xml", pages), "out", "--take", "1,0")
    assert (len(ids), manifest.counts.train_articles) == (1, 1)
    assert manifest.counts.left_out == {"not_taken": 2, "repeated": 3}


def test_pages_of_other_namespaces_are_articles_where_they_are_asked_for(
    tmp_path: Path, tiny_tokenizer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = [dumps.Page(number, f"T{number}", WORDS, ns=ns) for number, ns in enumerate((0, 104, 4, 104), 1)]
    pages.append(dumps.Page(9, "R", "x", ns=104, redirect="T1"))
    pages.append(dumps.Page(10, "B", raw="<page><title>B</title></page>"))
    for name in ("a.xml", "a-multistream.xml.bz2"):
        source = make_dump(tmp_path / name, pages)
        plain, ids = made(tmp_path / "plain", tiny_tokenizer, source, name, "--max-dead-fraction", "1")
        assert (ids, plain.limits.namespaces) == ([1], None)
        more = ("--max-dead-fraction", "1", "--namespaces", "0,104")
        both, ids = made(tmp_path / "out", tiny_tokenizer, source, name, *more)
        assert (ids, both.limits.namespaces) == ([1, 2, 4], [0, 104])
        assert (both.counts.redirects, both.counts.left_out) == (1, {"namespace:4": 1})
        assert parse_manifest(manifest_bytes(both), "m") == both
        assert "--namespaces 0,104" in card(both)
        [letter] = (tmp_path / "out" / name / "dead_letters.jsonl").read_text().splitlines()
        assert "--namespaces 0,104" in json.loads(letter)["replay"]
    arguments = ["--source", str(source), "--params", str(ROOT / "params.yaml"), "--title", "T2"]
    assert run(show, "show", arguments) == 1
    assert "is left out (namespace:104)" in capsys.readouterr().err
    assert run(show, "show", [*arguments, "--namespaces", "104"]) == 0


def test_formulas_stay_where_they_are_asked_for(
    tmp_path: Path, tiny_tokenizer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = [dumps.Page(1, "T1", f"{WORDS} <math>x^2</math>"), dumps.Page(2, "B", raw="<page><title>B</title></page>")]
    source = make_dump(tmp_path / "a-multistream.xml.bz2", pages)
    plain, _ = made(tmp_path / "plain", tiny_tokenizer, source, "a", "--max-dead-fraction", "1")
    assert b"formulas" not in manifest_bytes(plain)
    tex, _ = made(tmp_path / "out", tiny_tokenizer, source, "a", "--max-dead-fraction", "1", "--formulas", "tex")
    assert tex.limits.formulas == "tex"
    assert parse_manifest(manifest_bytes(tex), "m") == tex
    assert tex.counts.text_bytes == plain.counts.text_bytes + len(" $x^2$")
    assert "--formulas tex" in card(tex)
    [letter] = (tmp_path / "out" / "a" / "dead_letters.jsonl").read_text().splitlines()
    assert "--formulas tex" in json.loads(letter)["replay"]
    arguments = ["--source", str(source), "--params", str(ROOT / "params.yaml"), "--page-id", "1"]
    assert run(show, "show", [*arguments, "--formulas", "tex"]) == 0
    assert "$x^2$" in capsys.readouterr().out
    assert run(show, "show", arguments) == 0
    assert "$x^2$" not in capsys.readouterr().out
