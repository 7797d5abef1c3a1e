"""The bundled corpus: its sources, the built dump, and that the one is what the other makes."""

import bz2
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from corpus import build, export
from corpus.page import NAMESPACES, Page, parse_page, read_pages
from pipeline.articles.article import Article, DeadLetter
from pipeline.prose.clean import clean
from pipeline.settings import SourceSettings
from pipeline.source.plan import open_source
from tests.helpers import ROOT, SHARED
from wikilm.cli import run
from wikilm.errors import RunError

PAGES = ROOT / "corpus" / "pages"
XML = ROOT / "corpus" / build.XML_NAME
INDEX = ROOT / "corpus" / build.INDEX_NAME
NS = "{http://www.mediawiki.org/xml/export-0.11/}"


@pytest.fixture(scope="module")
def pages() -> list[Page]:
    return read_pages(PAGES)


@pytest.fixture(scope="module")
def articles(pages: list[Page]) -> list[Page]:
    return [page for page in pages if page.namespace == 0 and page.redirect is None]


@pytest.fixture(scope="module")
def document() -> etree._Element:
    return etree.fromstring(bz2.decompress(XML.read_bytes()), etree.XMLParser(resolve_entities=False))


def prose(wikitext: str) -> str:
    """Roughly the running text: without templates, tables, references, files, categories and link brackets."""
    text = re.sub(
        r"<!--.*?-->|<ref[^>/]*/>|<ref.*?</ref>|<gallery.*?</gallery>|<math>.*?</math>", " ", wikitext, flags=re.S
    )
    while (cut := re.sub(r"\{\{[^{}]*\}\}|\{\|[^{}]*?\|\}", " ", text)) != text:
        text = cut
    text = re.sub(r"\[\[(?:[^\[\]|]*\|)?([^\[\]]*)\]\]", r"\1", re.sub(r"\[\[(?:File|Category):.*?\]\]", " ", text))
    return re.sub(r"<[^>]*>|__[A-Z]+__|&\w+;|[='*#]", " ", text)


def command(*args: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "corpus.build", *args],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


# The built files and the sources


def test_the_committed_dump_is_what_the_pages_make() -> None:
    done = command("--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_same_pages_give_the_same_bytes_from_any_place_and_in_any_file_order(
    tmp_path: Path, pages: list[Page]
) -> None:
    moved = tmp_path / "pages"
    moved.mkdir()
    for page in reversed(pages):
        (moved / f"{page.page_id % 7}-{page.page_id}.wikitext").write_bytes(page.source.read_bytes())
    done = command("--pages", "pages", "--output", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / XML.name).read_bytes() == XML.read_bytes()
    assert (tmp_path / "out" / INDEX.name).read_bytes() == INDEX.read_bytes()


def test_check_finds_a_changed_page_and_writes_nothing(tmp_path: Path) -> None:
    source = tmp_path / "pages" / "noon.wikitext"
    source.parent.mkdir()
    source.write_text("id: 1\ntitle: Noon\n\nTwelve o'clock.\n")
    args = ("--pages", "pages", "--output", ".")
    assert "no such file; build it with" in command(*args, "--check", cwd=tmp_path).stderr
    assert command(*args, cwd=tmp_path).returncode == 0
    assert command(*args, "--check", cwd=tmp_path).returncode == 0
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.bz2")}
    source.write_text("id: 1\ntitle: Noon\n\nTwelve o'clock, roughly.\n")
    done = command(*args, "--check", cwd=tmp_path)
    assert done.returncode == 1
    assert re.fullmatch(
        r"python -m corpus.build: error: \S*xml.bz2: not what the pages make; build it again .*\n", done.stderr
    )
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.bz2")} == before


def test_a_failing_build_leaves_both_files_as_they_were_and_no_others(tmp_path: Path) -> None:
    xml, index = tmp_path / "a.bz2", tmp_path / "b.bz2"
    xml.write_bytes(b"old")
    index.mkdir()
    with pytest.raises(RunError, match=r"b\.bz2: is a folder"):
        build.write_together({xml: b"new", index: b"new"})
    assert xml.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bz2", "b.bz2"]


# The format


def test_the_dump_has_the_elements_of_the_schema_in_their_order(document: etree._Element) -> None:
    assert (document.tag, document.get("version")) == (f"{NS}mediawiki", "0.11")
    assert document.get("{http://www.w3.org/XML/1998/namespace}lang") == "en"
    siteinfo, *found = document
    names = [child.tag.removeprefix(NS) for child in siteinfo]
    assert names == ["sitename", "dbname", "base", "generator", "case", "namespaces"]
    keys = {int(entry.get("key") or ""): entry.text or "" for entry in siteinfo[-1]}
    assert keys == NAMESPACES
    in_page = r"title ns id (redirect )?revision"
    in_revision = r"id parentid timestamp contributor comment origin model format text sha1"
    for page in found:
        assert page.tag == f"{NS}page"
        assert re.fullmatch(in_page, " ".join(child.tag.removeprefix(NS) for child in page))
        assert re.fullmatch(in_revision, " ".join(child.tag.removeprefix(NS) for child in page[-1]))


def test_the_dump_holds_every_page_as_its_source_has_it(document: etree._Element, pages: list[Page]) -> None:
    stored = document.findall(f"{NS}page")
    assert [int(page.findtext(f"{NS}id") or 0) for page in stored] == [page.page_id for page in pages]
    revisions = [page.findtext(f"{NS}revision/{NS}id") for page in stored]
    assert len(set(revisions)) == len(pages)
    for element, page in zip(stored, pages, strict=True):
        text = element.find(f"{NS}revision/{NS}text")
        redirect = element.find(f"{NS}redirect")
        assert text is not None
        assert (text.text or "") == page.text
        assert text.get("bytes") == str(len(page.text.encode()))
        assert text.get("sha1") == element.findtext(f"{NS}revision/{NS}sha1") == export.sha1_base36(page.text)
        assert element.findtext(f"{NS}title") == page.title
        assert element.findtext(f"{NS}ns") == str(page.namespace)
        assert (redirect.get("title") if redirect is not None else None) == page.redirect


def streams(dump: bytes) -> Iterator[tuple[int, bytes]]:
    """Offset and content of each bz2 stream."""
    rest = dump
    while rest:
        decompressor = bz2.BZ2Decompressor()
        content = decompressor.decompress(rest)
        assert decompressor.eof
        yield len(dump) - len(rest), content
        rest = decompressor.unused_data


def check_index(xml: bytes, index: bytes, pages_per_stream: int) -> int:
    """Assert that the index fits the dump; return the number of pages."""
    lines = [line.split(":", 2) for line in bz2.decompress(index).decode().splitlines()]
    found = list(streams(xml))
    named = {int(offset): [line[1:] for line in run] for offset, run in groupby(lines, key=lambda line: line[0])}
    assert [offset for offset, _ in found[1:-1]] == list(named)
    assert found[0][1].rstrip().endswith(b"</siteinfo>")
    assert found[-1][1] == b"</mediawiki>\n"
    for offset, content in found[1:-1]:
        run = etree.fromstring(b"<run>" + content + b"</run>")
        assert [[page.findtext("id"), page.findtext("title")] for page in run] == named[offset]
        assert len(run) == pages_per_stream or offset == found[-2][0]
        assert 0 < len(run) <= pages_per_stream
    return len(lines)


def test_every_offset_of_the_index_starts_a_stream_that_holds_exactly_the_pages_named(pages: list[Page]) -> None:
    assert check_index(XML.read_bytes(), INDEX.read_bytes(), 10) == len(pages)


@pytest.mark.parametrize("unit_bytes", [1, 1_000_000])
def test_the_pipeline_reads_every_page_of_it(unit_bytes: int, pages: list[Page], articles: list[Page]) -> None:
    source = open_source(SourceSettings(path=str(XML), unit_bytes=unit_bytes))
    read = [page for unit in source.units for page in unit.pages(source.site)]
    assert [page.page_id for page in read] == [page.page_id for page in pages]
    found = [(page.page_id, page.title, page.text) for page in read if isinstance(page, Article)]
    assert found == [(page.page_id, page.title, page.text) for page in articles]
    assert all(not isinstance(page, DeadLetter) for page in read)


IN_XML = st.characters(codec="utf-8", exclude_characters="\r", exclude_categories=["Cs", "Cc"]) | st.sampled_from(
    "\n\t<>&\"'|"
)


@given(texts=st.lists(st.text(IN_XML), min_size=1, max_size=8), pages_per_stream=st.integers(1, 5))
def test_any_text_comes_back_from_the_dump_unchanged(texts: list[str], pages_per_stream: int) -> None:
    texts = [text.replace("\ufffe", "").replace("\uffff", "") for text in texts]
    made = [
        Page(page_id=number, title=f'"{number}" & <{text!r}>', namespace=0, redirect=text, text=text, source=Path("x"))
        for number, text in enumerate(texts, start=1)
    ]
    dump = export.pack(made, pages_per_stream)
    root = etree.fromstring(bz2.decompress(dump.xml), etree.XMLParser(huge_tree=False))
    assert [node.text or "" for node in root.iter(f"{NS}text")] == texts
    assert [node.text for node in root.iter(f"{NS}title")] == [page.title for page in made]


def test_apostrophes_are_escaped_in_attributes_only_as_in_real_dumps() -> None:
    content = bz2.decompress(XML.read_bytes()).decode()
    assert '<redirect title="Côte d&#039;Ivoire" />' in content
    assert "<title>Côte d'Ivoire</title>" in content
    assert "<title>&amp;</title>" in content
    assert '<text bytes="0" sha1="phoiac9h4m842xq45sp7s6u21eteeq1" xml:space="preserve" />' in content


def test_sha1_is_that_of_mediawiki() -> None:
    # What MediaWiki gives for a blank page, and for a real redirect of the English Wikipedia (page 10, 2016).
    assert export.sha1_base36("") == "phoiac9h4m842xq45sp7s6u21eteeq1"
    redirect = "#REDIRECT [[Computer accessibility]]\n\n{{Redr|move|from CamelCase|up}}"
    assert export.sha1_base36(redirect) == "4ro7vvppa5kmm0o1egfjztzcwd0vabw"


def test_escapes_and_hashes_are_those_of_a_real_dump() -> None:
    path = SHARED / "enwiki-20160501-sample-pages-articles-multistream.xml.bz2"
    if not path.exists():
        pytest.skip(f"{path} is not here: set WIKILM_SHARED to the folder that has data/")
    content = next(content for offset, content in streams(path.read_bytes()) if offset)
    compared = 0
    for raw, sha1 in re.findall(rb"<text [^>]*>([^<]*)</text>\s*<sha1>(\w+)</sha1>", content):
        text = etree.fromstring(b"<t>" + raw + b"</t>").text or ""
        assert export.text(text).encode() == raw
        assert export.sha1_base36(text).encode() == sha1
        compared += 1
    assert compared == 20  # pages in its first stream


# What the pages hold


def test_there_are_articles_and_words_enough_once_the_pipeline_has_cleaned_them(articles: list[Page]) -> None:
    site = open_source(SourceSettings(path=str(XML), unit_bytes=1_000_000)).site
    words = {page.title: len(clean(page.text, site).split()) for page in articles}
    assert sum(count > 0 for count in words.values()) >= 120
    assert sum(words.values()) >= 25_000
    assert [title for title, count in words.items() if not count] == ["Perchance"]  # a soft redirect, all template


def test_no_two_articles_share_a_long_run_of_words(articles: list[Page]) -> None:
    # A model that recites a run from a training article must not thereby know one of a validation article.
    length = 12
    owner: dict[tuple[str, ...], str] = {}
    for page in articles:
        words = re.findall(r"\w+", prose(page.text).lower())
        for start in range(len(words) - length + 1):
            run = tuple(words[start : start + length])
            assert owner.setdefault(run, page.title) == page.title, (
                f"{owner[run]!r} and {page.title!r}: {' '.join(run)}"
            )


def test_links_leave_the_corpus_for_example_hosts_only(pages: list[Page]) -> None:
    hosts = Counter(host for page in pages for host in re.findall(r"(?:https?:)?//([\w.-]+\.\w+)", page.text))
    assert hosts
    assert all(re.fullmatch(r"(www\.)?example\.(org|com)", host) for host in hosts), hosts


# One entry per thing that a real dump holds: how often at least, and where it is seen.
IN_ARTICLES = {
    "infobox": (5, r"\{\{Infobox"),
    "template within a template": (5, r"\{\{[^{}]*\{\{"),
    "table": (5, r"^\{\|.*?^\|\}"),
    "reference": (5, r"<ref>.+?</ref>"),
    "reference by name": (3, r'<ref name="?\w+"? ?/>'),
    "gallery": (2, r"<gallery.*?</gallery>"),
    "math": (2, r"<math>"),
    "comment": (2, r"<!--.*?-->"),
    "entity": (5, r"&(nbsp|ndash|amp|minus|lt);"),
    "external link": (2, r"\[https?://\S+ [^\]]+\]"),
    "file with a link in its caption": (2, r"\[\[File:[^\]]*\[\["),
    "category": (50, r"\[\[Category:"),
    "heading": (50, r"^==[^=].*==$"),
    "sub-heading": (5, r"^===[^=].*===$"),
    "list": (5, r"^\*"),
    "numbered list": (2, r"^#"),
    "definition list": (2, r"^;"),
    "magic word": (2, r"__[A-Z]+__"),
    "bold italics": (2, r"'''''\w"),
    "subscript or superscript": (2, r"<su[bp]>"),
    "block quotation": (2, r"<blockquote>"),
    "markup switched off": (2, r"<nowiki>"),
    "link to another language": (2, r"^\[\[[a-z]{2}:"),
    "Greek": (2, r"[α-ω]{3}"),
    "Cyrillic": (2, r"[а-я]{3}"),
    "Arabic": (2, r"[\u0620-\u064a]{3}"),
    "Hebrew": (1, r"[\u05d0-\u05ea]{2}"),
    "Devanagari": (1, r"[\u0900-\u097f]{2}"),
    "Chinese or Japanese": (2, r"[\u4e00-\u9fff]"),
    "end-of-text token as plain text": (1, r"&lt;\|endoftext\|&gt;"),
    "end-of-text token, markup switched off": (1, r"<nowiki><\|endoftext\|></nowiki>"),
    "disambiguation": (4, r"\{\{[Dd]isambig"),
    "unclosed template at the end": (1, r"\{\{[^{}]*\Z"),
}


@pytest.mark.parametrize("feature", IN_ARTICLES)
def test_articles_hold_what_real_ones_hold(feature: str, articles: list[Page]) -> None:
    at_least, pattern = IN_ARTICLES[feature]
    seen = [page.title for page in articles if re.search(pattern, page.text, re.MULTILINE | re.DOTALL)]
    assert len(seen) >= at_least, seen


IN_TITLES = {
    "ampersand": (2, "&"),
    "quotes": (2, '"'),
    "slash": (2, "/"),
    "apostrophe": (1, "'"),
    "brackets": (2, r"\(.+\)"),
    "colon": (1, ": "),
    "not ASCII": (5, r"[^\x00-\x7f]"),
    "not Latin": (2, r"^[\u0400-\u9fff]"),
    "right to left": (2, r"[\u0590-\u06ff]"),
}


@pytest.mark.parametrize("feature", IN_TITLES)
def test_titles_hold_what_real_ones_hold(feature: str, pages: list[Page]) -> None:
    at_least, pattern = IN_TITLES[feature]
    seen = [page.title for page in pages if page.namespace == 0 and re.search(pattern, page.title)]
    assert len(seen) >= at_least, seen


def test_pages_of_every_usual_kind_are_there(pages: list[Page], articles: list[Page]) -> None:
    namespaces = Counter(page.namespace for page in pages)
    assert {1, 2, 3, 4, 6, 8, 10, 12, 14, 100, 828} <= set(namespaces)
    redirects = [page for page in pages if page.redirect is not None]
    assert sum(page.namespace == 0 for page in redirects) >= 15
    assert any(page.namespace == 10 for page in redirects)
    assert any(page.text == "" for page in pages)
    stubs = [page for page in articles if len(page.text.split()) > 5 and "\n" not in page.text]
    assert len(stubs) >= 3


# Bad page files

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


def test_wrong_usage_ends_with_status_2(tmp_path: Path) -> None:
    done = command("--pages-per-stream", "0")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "must be at least 1" in done.stderr
    empty = command("--pages", str(tmp_path))
    assert (empty.returncode, empty.stderr.count("\n")) == (1, 1)
    assert "no .wikitext files here" in empty.stderr
    (tmp_path / "file").touch()
    in_the_way = command("--output", str(tmp_path / "file"))
    assert (in_the_way.returncode, in_the_way.stderr.count("\n")) == (1, 1)
    assert "file: cannot make this folder: File exists; name another one with --output" in in_the_way.stderr
