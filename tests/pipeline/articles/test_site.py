"""Addresses of articles are made as MediaWiki makes them, from addresses of the wiki that can be trusted to be one."""

from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.articles.site import Site, page_base
from wikilm.origin import page_url

BASE = "https://lv.wikipedia.org/wiki/Main"


@pytest.mark.parametrize(
    ("title", "path"),
    [
        ("Ant", "Ant"),
        ("Honey bee (insect)", "Honey_bee_(insect)"),
        ("AC/DC", "AC/DC"),
        ("Rīga", "R%C4%ABga"),
        ("What? #1 & 50% \"x\" 'y'", "What%3F_%231_%26_50%25_%22x%22_%27y%27"),
        ("Star: a film", "Star:_a_film"),
        ("<script>", "%3Cscript%3E"),
        ("a\nb", "a%0Ab"),
        ("..\\x", "..%5Cx"),
        ("../../x", "..%2F..%2Fx"),
    ],
)
def test_titles_are_quoted_as_mediawiki_does(title, path):
    assert page_url(BASE, title) == f"https://lv.wikipedia.org/wiki/{path}"


@pytest.mark.parametrize(
    ("base", "wiki"),
    [
        ("https://en.wikipedia.org/wiki/A", "enwiki"),
        ("https://en.m.wikipedia.org/wiki/A", "enwiki"),
        ("https://zh-min-nan.wikipedia.org/wiki/A", "zh_min_nanwiki"),
        ("https://be-tarask.wikipedia.org/wiki/A", "be_x_oldwiki"),
        ("https://fr.wikisource.org/wiki/A", "frwikisource"),
        ("https://EN.wiktionary.org/wiki/A", "enwiktionary"),
        ("https://example.org:8080/wiki/A", "example.org"),
        ("https://en.wikipedia.org.example.net/wiki/A", "en.wikipedia.org.example.net"),
        ("javascript:alert(1)", ""),
        ("", ""),
    ],
)
def test_a_wiki_without_the_name_of_its_database_has_that_of_its_host(base, wiki):
    assert Site(base=base).wiki == wiki
    assert Site(base=base, database="mywiki").wiki == "mywiki"


@given(st.text(max_size=40))
def test_no_title_leads_out_of_the_wiki(title):
    url = page_url(BASE, title)
    if url is None:
        assert title.strip(" _") in ("", ".", "..")
        return
    assert urljoin(BASE, url).startswith("https://lv.wikipedia.org/wiki/")
    assert url.isascii()
    assert url.isprintable()
    assert not set("<>\"'?#\\ ") & set(url)
    parts = urlsplit(url)
    assert parts.netloc == "lv.wikipedia.org"
    assert not {".", ".."} & set(parts.path.split("/"))
    expected = title.strip(" _").replace(" ", "_").encode("utf-8", "replace").decode()
    assert unquote(parts.path.removeprefix("/wiki/")) == expected


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://en.wikipedia.org/wiki/Main_Page", "http://en.wikipedia.org/wiki/A"),
        ("https://x.org/wiki/Front/wiki/Page", "https://x.org/wiki/A"),
        ("https://x.org:8080/w/index.php/Main", "https://x.org:8080/w/index.php/A"),
        ("https://x.org/Main", "https://x.org/A"),
    ],
)
def test_pages_lie_in_wiki_or_beside_the_page_that_is_known(base, url):
    assert page_base(base) == base
    assert page_url(base, "A") == url


@pytest.mark.parametrize(
    "base",
    [
        "", "x", "javascript:alert(1)", "ftp://x.org/wiki/A", "file:///wiki/A", "//x.org/wiki/A", "https:///wiki/A",
        "https://user:secret@x.org/wiki/A", "https://x.org/w/index.php?title=A", "https://x.org/wiki/A#b",
        "https://x.org/wiki/A\nb", "https://x.org/wiki/<A>", "https://x.org", "https://x.org/wiki/" + "a" * 3000,
    ],
)  # fmt: skip
def test_no_other_address_counts(base):
    assert page_base(base) == ""
    assert page_url(base, "A") is None
