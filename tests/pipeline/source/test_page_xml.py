"""A page's XML becomes an article, or the reason why it is none; one that is wrong costs itself alone."""

import dataclasses
from pathlib import Path

import pytest

from pipeline.articles.article import Article, DeadLetter
from pipeline.source.page_xml import parse_header
from tests.helpers.dumps import NAMESPACES, Page, make_dump, read_index, write_index
from tests.helpers.sources import PAGES, opened, pages_of

BASE = "https://lv.wikipedia.org/wiki/Main"
BROKEN = {
    "no id": "<page><title>X</title><ns>0</ns><revision><id>1</id><text>t</text></revision></page>",
    "no title": "<page><ns>0</ns><id>5</id><revision><id>1</id><text>t</text></revision></page>",
    "no revision": "<page><title>X</title><ns>0</ns><id>5</id></page>",
    "a revision that is no number": "<page><title>X</title><ns>0</ns><id>5</id><revision><id>x</id></revision></page>",
    "an id beyond 63 bits": "<page><title>X</title><ns>0</ns><id>9999999999999999999</id></page>",
    "a namespace that is no number": "<page><title>X</title><ns>zero</ns><id>5</id></page>",
    "a bare ampersand": "<page><title>A & B</title><ns>0</ns><id>5</id></page>",
    "a control character": "<page><title>X&#1;</title><ns>0</ns><id>5</id></page>",
    "an entity": "<page><title>X &nbsp;</title><ns>0</ns><id>5</id></page>",
    "no end": "<page><title>X</title><ns>0</ns><id>5</id>",
    "crossed tags": "<page><title>X</ns></title><id>5</id></page>",
    "junk": "<bogus>text</bogus>",
}


def test_site_comes_from_the_header(tmp_path: Path) -> None:
    names = NAMESPACES | {6: "Fails", 14: "Kategoreja"}
    site = opened(make_dump(tmp_path / "a.xml", PAGES, names, language="ltg", database="ltgwiki")).site
    assert (site.language, site.database, site.name) == ("ltg", "ltgwiki", "Miniwiki")
    assert [site.namespace_of(name) for name in ("fails", "FILE", "Image", "kategoreja", "Category", "de", "")] == [
        6, 6, 6, 14, 14, None, None,
    ]  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("name", ["a.xml", "a-multistream.xml.bz2"])
def test_a_broken_page_is_a_dead_letter_and_the_others_are_read(tmp_path: Path, what: str, name: str) -> None:
    broken = Page(5, "X", raw=BROKEN[what])
    pages = [Page(3, "Before", "b"), broken, Page(7, "After", "a")]
    path = make_dump(tmp_path / name, pages, pages_per_stream=3)
    if what == "junk" and "multistream" in name:  # the index knows nothing of it
        write_index(path, [line for line in read_index(path) if ":5:" not in line])
    found = pages_of(path)
    dead = [page for page in found if isinstance(page, DeadLetter)]
    assert [page.title for page in found if isinstance(page, Article)] == ["Before", "After"]
    assert len(dead) == 1
    assert dead[0].where.startswith(f"{name}, byte ")
    assert dead[0].page_id == (None if what in ("no id", "an id beyond 63 bits", "junk") else 5)


def test_a_dead_letter_says_where_its_page_starts(tmp_path: Path) -> None:
    path = make_dump(tmp_path / "a.xml", [Page(3, "A"), Page(5, "X", raw=BROKEN["no revision"]), Page(7, "B")])
    (dead,) = [page for page in pages_of(path) if isinstance(page, DeadLetter)]
    offset = int(dead.where.split("byte ")[1].split()[0])
    assert path.read_bytes()[offset:].startswith(BROKEN["no revision"].encode())
    assert (dead.page_id, dead.title) == (5, "X")


def test_a_page_without_text_is_an_empty_article(tmp_path: Path) -> None:
    raw = "<page><title>X</title><ns>0</ns><id>5</id><revision><id>6</id></revision></page>"
    (page,) = pages_of(make_dump(tmp_path / "a.xml", [Page(5, "X", raw=raw)]))
    assert isinstance(page, Article)
    assert (page.text, page.revision_id) == ("", 6)


def test_old_dumps_name_the_namespace_in_the_title_alone(tmp_path: Path) -> None:
    pages = [Page(n, title, "t") for n, title in enumerate(["Help:A", "Star: a film", "Kategoreja:X"], 1)]
    pages = [dataclasses.replace(page, raw=page.xml().replace("    <ns>0</ns>\n", "")) for page in pages]
    found = pages_of(make_dump(tmp_path / "a.xml", pages, NAMESPACES | {14: "Kategoreja"}))
    assert [getattr(page, "reason", "article") for page in found] == ["namespace:12", "article", "namespace:14"]


@pytest.mark.parametrize(("said", "base"), [(BASE, BASE), ("ftp://x.org/wiki/A", ""), ("", "")])
def test_the_header_names_the_base_if_it_is_one(said, base):
    header = f"<mediawiki><siteinfo><sitename>W</sitename><base>{said}</base></siteinfo>"
    assert parse_header(header.encode()).base == base
