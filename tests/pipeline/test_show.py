"""`python -m pipeline.show` finds a page of any source, and shows its wikitext, prose, tokens and rows side by side."""

import bz2
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.show import main
from tests.helpers import ROOT
from tests.helpers.dumps import Page, index_of, make_dump
from tests.helpers.sources import pages_of
from wikilm.cli import run

PARAMS = """
source: {path: none.xml.bz2, unit_bytes: 700}
shards: {chunk_tokens: 8, chunking: document, max_dead_fraction: 0.1}
"""
PAGES = [
    Page(
        1,
        "Bridge",
        "A '''bridge''' spans a [[river|stream]] of water, and it stands on two feet of stone.",
        revision=77,
    ),
    Page(2, "River", redirect="Bridge"),
    Page(3, "Talk:Bridge", "chat", ns=1),
    Page(4, "東京", "'''東京'''は日本の首都である。" * 4),
    Page(5, "Trick\u202e", "safe \u202e turned \u2028 end"),
    Page(6, "Bridges of stone", "They stand."),
    Page(7, "Number", "A &#65; by its number, which the compiled path leaves to the other.\n" * 100),
]


@pytest.fixture(scope="module", params=["x-multistream.xml.bz2", "x.xml"])
def place(request, tiny_tokenizer, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("show")
    (folder / "params.yaml").write_text(PARAMS)
    make_dump(folder / request.param, PAGES)
    shutil.copytree(tiny_tokenizer, folder / "tokenizer")
    (folder / "name").write_text(request.param)
    return folder


def shown(place: Path, capsys, monkeypatch, *more: str, columns: int = 100) -> tuple[int, str, str]:
    monkeypatch.setenv("COLUMNS", str(columns))
    source = place / (place / "name").read_text()
    try:
        status = run(main, "show", ["--source", str(source), "--params", str(place / "params.yaml"), *more])
    except SystemExit as end:
        status = end.code
    said = capsys.readouterr()
    return status, said.out, said.err


def test_raw_clean_tokens_and_chunks_stand_side_by_side(place, capsys, monkeypatch):
    status, out, _ = shown(place, capsys, monkeypatch, "--title", "Bridge", "--tokenizer", str(place / "tokenizer"))
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "Bridge (page 1, revision 77)"
    head, body = lines[2:4], lines[4:]
    columns = [[part.strip() for part in line.split(" │ ")] for line in body]
    assert "raw:" in "".join(head)
    assert "chunks:" in "".join(head)
    raw, clean = (" ".join(row[number] for row in columns) for number in (0, 1))
    assert "'''bridge'''" in raw
    assert "[[river|stream]]" in raw
    assert "A bridge spans a stream of water" in clean
    assert "A|·bri|dg|e" in "".join(row[2] for row in columns)
    assert "[0] " in " ".join(row[3] for row in columns if len(row) > 3)
    assert max(len(line) for line in lines) <= 100


def test_without_a_tokenizer_raw_and_clean_are_shown_and_the_way_to_one_is_told(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    status, out, err = shown(place, capsys, monkeypatch, "--page-id", "6")
    assert status == 0
    assert "They stand." in out
    assert "tokens:" not in out
    assert "python -m pipeline.tokenizer" in err


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (("--title", "bridge"), "'Bridge'"),
        (("--title", "Brigde"), "did you mean 'Bridge'"),
        (("--title", "Zxqw"), "none with a title like that"),
        (("--title", "River"), "left out (redirect)"),
        (("--title", "Talk:Bridge"), "left out (namespace:1)"),
        (("--page-id", "9"), "no page with id 9"),
    ],
)
def test_a_page_that_is_no_article_ends_in_one_line_with_a_way_out(place, capsys, monkeypatch, more, named):
    status, out, err = shown(place, capsys, monkeypatch, *more)
    assert (status, out) == (1, "")
    assert named in err
    assert len(err.splitlines()) == 1


DEAD = {
    "no revision": "<page><title>Dead</title><ns>0</ns><id>60</id></page>",
    "xmlParseEntityRef": "<page><title>Dead</title><ns>0</ns><id>60</id><revision>A & B\x1b[2J</revision></page>",
    "larger than source.max_page_bytes = 5000": Page(60, "Dead", "x" * 6000).xml().strip(),
}


@pytest.mark.parametrize("name", ["x-multistream.xml.bz2", "x.xml.bz2"])
@pytest.mark.parametrize("error", DEAD)
def test_a_page_that_cannot_be_read_is_shown_raw_with_its_place_and_reason(tmp_path, capsys, monkeypatch, name, error):
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "name").write_text(name)
    make_dump(tmp_path / name, [*PAGES, Page(60, "Dead", raw=DEAD[error]), Page(61, "Next", "n")])
    by_id = shown(tmp_path, capsys, monkeypatch, "--page-id", "60", "--max-page-bytes", "5000")
    status, out, err = by_id
    assert status == 1
    lines = out.splitlines()
    assert lines[0] == "Dead (page 60)"
    assert lines[1].startswith(f"where: {name}, byte ")
    assert lines[2].startswith("error: ")
    assert error in lines[2]
    assert error in err
    assert len(err.splitlines()) == 1
    raw = out.partition("\n\n")[2].rstrip("\n")
    assert DEAD[error].replace("\x1b", "\u241b").startswith(raw)
    assert "<id>60</id>" in raw
    assert "\x1b" not in out
    assert ("without its end" in lines[3]) == (error.startswith("larger"))
    for which in (("--title", "Dead"), ("--where", lines[1].removeprefix("where: "))):
        assert shown(tmp_path, capsys, monkeypatch, *which, "--max-page-bytes", "5000") == by_id
    if error.startswith("larger"):  # and once the limit allows it, it is an article as any other
        status, out, _ = shown(tmp_path, capsys, monkeypatch, "--page-id", "60")
        assert status == 0
        assert "clean: 6,000 bytes" in out


def fails(*_):
    raise ZeroDivisionError("by zero")


def test_a_page_that_cannot_be_cleaned_is_shown_as_wikitext(place, capsys, monkeypatch):
    monkeypatch.setattr("pipeline.prose.cleaner.clean", fails)
    status, out, err = shown(place, capsys, monkeypatch, "--page-id", "1")
    assert status == 1
    assert out.startswith("Bridge (page 1)\nwhere: x")
    assert "error: cannot be cleaned: ZeroDivisionError: by zero" in out
    assert PAGES[0].text in out
    assert "dead letter" in err


def test_a_page_that_takes_too_long_names_the_setting(place, capsys, monkeypatch):
    status, out, err = shown(place, capsys, monkeypatch, "--title", "Number", "--max-page-seconds", "1e-9")
    assert status == 1
    assert "A &#65; by its number" in out
    assert "source.max_page_seconds = 1e-09" in err


def test_a_row_that_cannot_be_read_is_shown_with_its_place_and_reason(tmp_path, capsys, monkeypatch):
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "name").write_text("x.parquet")
    pq.write_table(pa.table({"id": [1, 2], "title": ["A", "B"], "text": ["a", None]}), tmp_path / "x.parquet")
    status, out, _ = shown(tmp_path, capsys, monkeypatch, "--page-id", "2")
    assert status == 1
    assert out == "B (page 2)\nwhere: x.parquet, row group 0, row 1\nerror: the row has no text\n"


@pytest.mark.parametrize("where", ["nowhere", "x.xml, byte 5 of the text of the stream at byte 99999999999", "\x1b"])
def test_a_place_without_a_page_is_told(place, capsys, monkeypatch, where):
    status, out, err = shown(place, capsys, monkeypatch, "--where", where)
    assert (status, out) == (1, "")
    assert "has no page at" in err
    assert len(err.splitlines()) == 1


def test_neither_title_nor_page_id_is_wrong_usage(place, capsys, monkeypatch):
    status, _, err = shown(place, capsys, monkeypatch)
    assert status == 2
    assert "--title" in err


def test_a_title_or_text_cannot_turn_or_control_the_terminal(place, capsys, monkeypatch):
    status, out, _ = shown(place, capsys, monkeypatch, "--page-id", "5")
    assert status == 0
    assert not {"\u202e", "\u2028", "\x1b"} & set(out)
    assert "safe" in out


def test_the_reader_of_the_output_may_leave_early(place):
    command = [sys.executable, "-m", "pipeline.show", "--source", str(place / (place / "name").read_text())]
    command += ["--params", str(place / "params.yaml"), "--page-id", "4", "--tokenizer", str(place / "tokenizer")]
    piped = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$@" | head -1', "_", *command],
        cwd=ROOT, env=os.environ | {"COLUMNS": "50"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert piped.stdout == "東京 (page 4, revision 1004)\n"
    assert "Traceback" not in piped.stderr


TITLES = ["AT&T", "<b>", "Rock 'n' Roll", 'The "x"', "a:b", "1 < 2 & 3 > 2"]


@pytest.mark.parametrize("unpacked", [False, True])
@pytest.mark.parametrize("title", TITLES)
def test_a_page_is_shown_by_its_title_whatever_xml_makes_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], title: str, unpacked: bool
) -> None:
    pages = [Page(n, name, f"text of {n}") for n, name in enumerate(TITLES, 1)]
    path = make_dump(tmp_path / "a-multistream.xml.bz2", pages)
    if unpacked:
        index = index_of(path)
        index.with_suffix("").write_bytes(bz2.decompress(index.read_bytes()))
        index.unlink()
    assert run(main, "show", ["--source", str(path), "--title", title, "--params", str(ROOT / "params.yaml")]) == 0
    assert f"text of {TITLES.index(title) + 1}" in capsys.readouterr().out


@pytest.mark.parametrize("between", [[], [Page(2, "B", "b")]])
@pytest.mark.parametrize("name", ["a-multistream.xml.bz2", "a.xml"])
@pytest.mark.parametrize("order", [(2001, 2003, 2002), (2003, 2001, 2002)])
def test_of_a_page_that_is_repeated_the_newest_revision_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, order: tuple[int, ...], between: list[Page]
) -> None:
    first, *pages = [Page(7, "T", raw=revision_of_page(7, "T", year)) for year in order]
    path = make_dump(tmp_path / name, [Page(1, "A", "a"), first, *between, *pages, Page(8, "U", "u")])
    for which in (("--title", "T"), ("--page-id", "7")):
        assert run(main, "show", ["--source", str(path), *which, "--params", str(ROOT / "params.yaml")]) == 0
        said = capsys.readouterr().out
        assert "text of 2003" in said
        assert "text of 2001" not in said


def test_a_large_source_without_an_index_is_not_read_on_for_a_newer_revision_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.inspection.page.READ_ON_BYTES", 100)
    first, later = (Page(7, "T", raw=revision_of_page(7, "T", year)) for year in (2001, 2002))
    path = make_dump(tmp_path / "a.xml", [first, Page(8, "U", "u"), later])
    for which, said in {
        ("--title", "T"): "a.xml has no index, and is not read on",
        ("--title", "U"): "not read on",
    }.items():
        assert run(main, "show", ["--source", str(path), *which, "--params", str(ROOT / "params.yaml")]) == 0
        assert said in capsys.readouterr().err
    place = pages_of(path)[0].where  # type: ignore[union-attr]
    assert run(main, "show", ["--source", str(path), "--where", place, "--params", str(ROOT / "params.yaml")]) == 0
    assert "not read on" not in capsys.readouterr().err


def test_a_page_of_a_source_that_is_cut_is_shown_with_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_dump(tmp_path / "a.xml", [Page(7, "T", raw=revision_of_page(7, "T", 2001)), Page(8, "U", "u")])
    path.write_bytes(path.read_bytes()[:-30])
    for which, status in {"7": 0, "9": 1}.items():
        assert (
            run(main, "show", ["--source", str(path), "--page-id", which, "--params", str(ROOT / "params.yaml")])
            == status
        )
        assert "a.xml: is cut" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a-multistream.xml.bz2", "a.xml"])
def test_a_page_that_has_become_a_redirect_is_none_whichever_comes_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    page, moved = (revision_of_page(7, "T", year) for year in (2001, 2002))
    moved = moved.replace("<ns>", '<redirect title="U"/><ns>')
    for order in ((page, moved), (moved, page)):
        path = make_dump(tmp_path / name, [Page(7, "T", raw=raw) for raw in order])
        assert run(main, "show", ["--source", str(path), "--title", "T", "--params", str(ROOT / "params.yaml")]) == 1
        assert "left out (redirect)" in capsys.readouterr().err


def revision_of_page(page_id: int, title: str, year: int) -> str:
    """A page with one revision, as tools write it that give a page for each."""
    return (
        f"<page><title>{title}</title><ns>0</ns><id>{page_id}</id><revision><id>{year}</id>"
        f"<timestamp>{year}-01-01T00:00:00Z</timestamp><text>text of {year}</text></revision></page>\n"
    )
