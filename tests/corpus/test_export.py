"""A dump has the form of MediaWiki's own: elements, escapes and hashes, and an index that fits its streams."""

import bz2
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from corpus import export
from corpus.page import NAMESPACES, Page
from tests.helpers import SHARED
from tests.helpers.corpus import INDEX, XML

NS = "{http://www.mediawiki.org/xml/export-0.11/}"


@pytest.fixture(scope="module")
def document() -> etree._Element:
    return etree.fromstring(bz2.decompress(XML.read_bytes()), etree.XMLParser(resolve_entities=False))


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
