"""A page's XML becomes an article, or the reason why it is none; one that is wrong costs itself alone."""

import dataclasses
import itertools
import re
from pathlib import Path

import pytest

from pipeline.articles.article import Article, DeadLetter, Dropped
from pipeline.articles.article import Page as FoundPage
from pipeline.source.page_xml import parse_header
from tests.helpers import dumps
from tests.helpers.dumps import NAMESPACES, Page, header, history, make_dump, read_index, revision, write_index
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


@pytest.mark.parametrize("name", ["a.xml", "a-multistream.xml.bz2"])
@pytest.mark.parametrize("written", ["<id>0</id>", "<id/>", ""])
def test_ids_start_at_0_which_of_a_revision_is_unknown(tmp_path: Path, name: str, written: str) -> None:
    raw = f"<page><title>X</title><ns>0</ns><id>0</id><revision>{written}<text>t</text></revision></page>"
    one, other = pages_of(make_dump(tmp_path / name, [Page(0, "X", raw=raw), Page(7, "Y", "y")]))
    assert isinstance(one, Article)
    assert (one.page_id, one.revision_id, one.text, other.page_id) == (0, 0, "t", 7)


def test_old_dumps_name_the_namespace_in_the_title_alone(tmp_path: Path) -> None:
    pages = [Page(n, title, "t") for n, title in enumerate(["Help:A", "Star: a film", "Kategoreja:X"], 1)]
    pages = [dataclasses.replace(page, raw=page.xml().replace("    <ns>0</ns>\n", "")) for page in pages]
    found = pages_of(make_dump(tmp_path / "a.xml", pages, NAMESPACES | {14: "Kategoreja"}))
    assert [getattr(page, "reason", "article") for page in found] == ["namespace:12", "article", "namespace:14"]


@pytest.mark.parametrize(("said", "base"), [(BASE, BASE), ("ftp://x.org/wiki/A", ""), ("", "")])
def test_the_header_names_the_base_if_it_is_one(said, base):
    header = f"<mediawiki><siteinfo><sitename>W</sitename><base>{said}</base></siteinfo>"
    assert parse_header(header.encode()).base == base


OLD, MIDDLE, NEW = (revision(n, f"20{n:02}-01-01T00:00:00Z", text) for n, text in ((1, "old"), (2, "mid"), (3, "new")))


@pytest.mark.parametrize("order", list(itertools.permutations([OLD, MIDDLE, NEW])))
@pytest.mark.parametrize("name", ["a.xml", "a-multistream.xml.bz2"])
def test_the_revision_with_the_latest_timestamp_is_the_text(tmp_path: Path, name: str, order: tuple[str, ...]) -> None:
    path = make_dump(tmp_path / name, [Page(5, "T", raw=history(*order)), Page(6, "U", "other")])
    found = [(page.page_id, page.revision_id, page.text) for page in pages_of(path) if isinstance(page, Article)]
    assert found == [(5, 3, "new"), (6, 1006, "other")]


@pytest.mark.parametrize(
    "stamp",
    [
        "2001-02-03T04:05:06Z",
        "2001-02-03T04:05:06.789Z",
        "2001-02-03T06:05:06+02:00",
        "2001-02-03 04:05:06",
        "20010203040506",
    ],
)
def test_a_timestamp_may_have_the_forms_of_iso_8601(tmp_path: Path, stamp: str) -> None:
    [page] = pages_of(make_dump(tmp_path / "a.xml", [Page(5, "T", raw=history(revision(1, stamp, "text")))]))
    assert isinstance(page, Article)
    assert page.timestamp == 20010203040506


def without_place(page: FoundPage) -> FoundPage:
    return page if isinstance(page, Dropped) else dataclasses.replace(page, where="")


@pytest.mark.parametrize("name", ["a.xml", "a.xml.bz2", "a-multistream.xml.bz2"])
def test_tags_may_have_the_prefix_that_another_program_has_given_them(tmp_path: Path, name: str) -> None:
    pages = [Page(1, "A", "a <b>x</b> & y"), Page(2, "B", "b"), Page(3, "C", redirect="A")]
    expected = pages_of(make_dump(tmp_path / "plain.xml", pages))

    def prefixed(xml: str) -> str:
        return re.sub(r"<(/?)(?=[a-z])", r"<\1ns0:", xml).replace("xmlns=", "xmlns:ns0=")

    raw = [Page(page.id, page.title, raw=prefixed(page.xml())) for page in pages]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dumps, "header", lambda *names: prefixed(header(*names).decode()).encode())
        patch.setattr(dumps, "FOOTER", b"</ns0:mediawiki>\n")
        path = make_dump(tmp_path / name, raw)
    assert [without_place(page) for page in pages_of(path)] == [without_place(page) for page in expected]
    assert opened(path).site.database == "miniwiki"


def test_a_page_may_say_its_namespace_itself(tmp_path: Path) -> None:
    raw = Page(1, "A", "text").xml().replace("<page>", '<page xmlns="http://www.mediawiki.org/xml/export-0.11/">')
    [page] = pages_of(make_dump(tmp_path / "a.xml", [Page(1, "A", raw=raw)]))
    assert isinstance(page, Article)
    assert (page.page_id, page.title, page.text) == (1, "A", "text")
