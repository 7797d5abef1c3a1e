import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.command import run
from pipeline.show import cells, main, side_by_side, visible, wrap
from pipeline.tokenizer import save, train
from tests.dumps import Page, make_dump

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
]


@pytest.fixture(scope="module", params=["x-multistream.xml.bz2", "x.xml"])
def place(request, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("show")
    (folder / "params.yaml").write_text(PARAMS)
    make_dump(folder / request.param, PAGES)
    save(train([page.text for page in PAGES] * 3, 290), folder / "tokenizer", {})
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
    assert "A|·|b|r|i|d|g|e" in "".join(row[2] for row in columns)
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


def test_neither_title_nor_page_id_is_wrong_usage(place, capsys, monkeypatch):
    status, _, err = shown(place, capsys, monkeypatch)
    assert status == 2
    assert "--title" in err


def test_a_title_or_text_cannot_turn_or_control_the_terminal(place, capsys, monkeypatch):
    status, out, _ = shown(place, capsys, monkeypatch, "--page-id", "5")
    assert status == 0
    assert not {"\u202e", "\u2028", "\x1b"} & set(out)
    assert "safe" in out


@given(st.text())
def test_visible_text_has_no_control_characters_and_keeps_its_length(text):
    made = visible(text)
    assert len(made) == len(text)
    assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in made)


@given(st.text(alphabet=st.sampled_from("ab 東京é\u0301\u200b\n\t\x1b👩"), max_size=80), st.integers(2, 12))
def test_wrapping_fills_every_line_to_the_width_and_loses_nothing(text, width):
    lines = wrap(text, width)
    assert all(sum(map(cells, line)) == width for line in lines)
    kept = "".join(lines).replace(" ", "")
    assert kept == visible(text.replace("\n", "").replace("\t", "")).replace(" ", "")


def test_columns_of_different_length_stay_aligned():
    lines = list(side_by_side([("one", "a\nb"), ("a longer heading", "東京")], 27))
    assert [line.index("│") for line in lines] == [13] * len(lines)


def test_the_reader_of_the_output_may_leave_early(place):
    command = [sys.executable, "-m", "pipeline.show", "--source", str(place / (place / "name").read_text())]
    command += ["--params", str(place / "params.yaml"), "--page-id", "4", "--tokenizer", str(place / "tokenizer")]
    piped = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$@" | head -1', "_", *command],
        cwd=Path(__file__).parents[1], env=os.environ | {"COLUMNS": "50"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert piped.stdout == "東京 (page 4, revision 1004)\n"
    assert "Traceback" not in piped.stderr
    assert json.loads((place / "tokenizer" / "provenance.json").read_text()) == {}
