"""A page file is taken as it stands, or refused in one line that names it."""

import re
from pathlib import Path

import pytest

from corpus import build
from corpus.page import Page, parse_page
from wikilm.cli import run

BAD: dict[str, tuple[str | bytes, str]] = {
    "no id": ("title: Noon\n\nText.\n", r"no 'id:' line"),
    "no title": ("id: 1\n\nText.\n", r"no 'title:' line"),
    "no header": ("'''Noon''' is a time.\n", r"no header line"),
    "no blank line": ("id: 1\ntitle: Noon\nText.\n", r":3: no header line: 'Text.'; a blank line must end the header"),
    "misspelt key": ("id: 1\ntitel: Noon\n\nText.\n", r"did you mean 'title:'\?"),
    "key twice": ("id: 1\nid: 2\ntitle: Noon\n\nText.\n", r":2: 'id:' is there twice"),
    "empty title": ("id: 1\ntitle:\n\nText.\n", r"'title:' is empty"),
    "id no number": ("id: one\ntitle: Noon\n\nText.\n", r"'id: one' is no number"),
    "id 0": ("id: 0\ntitle: Noon\n\nText.\n", r"'id: 0' is no number"),
    "lower case": ("id: 1\ntitle: noon\n\nText.\n", r"upper-case letter"),
    "lower case after prefix": ("id: 1\ntitle: Talk:noon\nns: 1\n\nText.\n", r"upper-case letter"),
    "prefix alone": ("id: 1\ntitle: Talk:\nns: 1\n\nText.\n", r"upper-case letter"),
    "brackets in the title": ("id: 1\ntitle: Noon [12]\n\nText.\n", r"holds '\[', which no title may"),
    "underscore": ("id: 1\ntitle: High_noon\n\nText.\n", r"holds '_'"),
    "title too long": (f"id: 1\ntitle: {'É' * 128}\n\nText.\n", r"more than 255 bytes"),
    "title not composed": ("id: 1\ntitle: E\u0301tude\n\nText.\n", r"normalisation form C"),
    "unknown namespace": ("id: 1\ntitle: Book:Noon\nns: 108\n\nText.\n", r"'ns: 108' is no namespace"),
    "unknown prefix": ("id: 1\ntitle: Tempalte:Noon\n\nText.\n", r"unknown namespace prefix 'Tempalte:'"),
    "prefix without ns": ("id: 1\ntitle: Template:Noon\n\nText.\n", r"is of namespace 10, the header says 0"),
    "ns without prefix": ("id: 1\ntitle: Noon\nns: 10\n\nText.\n", r"is of namespace 0, the header says 10"),
    "redirect in text only": ("id: 1\ntitle: Noon\n\n#REDIRECT [[Day]]\n", r"says redirect to None, the text to 'Day'"),
    "redirect in header only": ("id: 1\ntitle: Noon\nredirect: Day\n\nText.\n", r"to 'Day', the text to None"),
    "redirect to nowhere": ("id: 1\ntitle: Noon\nredirect: Day\n\n#REDIRECT [[Day]]\n", r"there is no such page"),
    "carriage returns": ("id: 1\r\ntitle: Noon\r\n\r\nText.\r\n", r"holds carriage returns"),
    "control character": ("id: 1\ntitle: Noon\n\nText.\x00\n", r"U\+0000, which XML cannot"),
    "not UTF-8": (b"id: 1\ntitle: Noon\n\nCaf\xe9\n", r"not UTF-8 at byte 22"),
    "same id": ("id: 7\ntitle: Noon\n\nText.\n", r"id 7 is taken by .*midnight\.wikitext"),
    "same title": ("id: 1\ntitle: Midnight\n\nText.\n", r"'Midnight' is taken by .*noon\.wikitext"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_page_is_named_in_one_line_and_nothing_is_built(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, reason = BAD[case]
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "midnight.wikitext").write_text("id: 7\ntitle: Midnight\n\nText.\n")
    (folder / "noon.wikitext").write_bytes(content if isinstance(content, bytes) else content.encode())
    arguments = ["--pages", str(folder), "--output", str(tmp_path / "out")]
    assert run(build.main, build.PROGRAM, arguments) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(reason, error)
    assert ("noon.wikitext" in error) or case.startswith("same")
    assert not (tmp_path / "out").exists()


def test_a_good_page_is_taken_as_it_stands() -> None:
    page = parse_page("id: 5\ntitle: Dune: a desert\n\nLine.\n\n  Indented &amp; kept.  \n\n\n", Path("dune.wikitext"))
    assert page == Page(5, "Dune: a desert", 0, None, "Line.\n\n  Indented &amp; kept.", Path("dune.wikitext"))


def test_redirects_may_go_to_a_section_and_be_spelt_in_any_case() -> None:
    text = "id: 5\ntitle: Dusk\nredirect: Noon\n\n#Redirect: [[Noon#Evening|x]]\n"
    assert parse_page(text, Path("dusk.wikitext")).redirect == "Noon"
