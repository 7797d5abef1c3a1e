"""A dump is read whole or refused: each way of being cut, damaged or mismatched is one line that names the file."""

import bz2
import gzip
import lzma
import re
from pathlib import Path

import pytest

from pipeline.articles.article import Article, DeadLetter, Dropped
from tests.helpers import SHARED
from tests.helpers.dumps import FOOTER, Page, header, make_dump
from tests.helpers.sources import PAGES, STORED_AS, opened, pages_of, refusal
from wikilm.errors import RunError


@pytest.mark.parametrize("name", STORED_AS)
def test_every_page_comes_out_once_in_order_whatever_the_storage(tmp_path: Path, name: str) -> None:
    found = pages_of(make_dump(tmp_path / name, PAGES))
    articles = [page for page in found if isinstance(page, Article)]
    dropped = [page for page in found if isinstance(page, Dropped)]
    assert [page.page_id for page in found] == [page.id for page in PAGES]
    assert [(a.page_id, a.revision_id, a.title, a.text) for a in articles] == [
        (page.id, page.id + 1000, page.title, page.text)
        for page in PAGES
        if page.ns == 0 and not page.redirect and page.model == "wikitext"
    ]
    assert [page.reason for page in dropped] == ["redirect", "namespace:1", "model:json"]


@pytest.mark.parametrize("name", STORED_AS)
def test_a_dump_that_is_cut_anywhere_is_refused(tmp_path: Path, name: str) -> None:
    path = make_dump(tmp_path / name, PAGES)
    whole = path.read_bytes()
    last = len(whole) - 1 - (whole.endswith(b"\n"))
    for length in [1, 5, 40, *range(60, last, max(1, last // 40)), last]:
        path.write_bytes(whole[:length])
        assert refusal(path, unit_bytes=10_000_000)


def test_a_dump_cut_between_two_streams_is_refused_for_want_of_its_footer(tmp_path: Path) -> None:
    path = make_dump(tmp_path / "a-multistream.xml.bz2", PAGES)
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(b"BZh")])
    assert "does not end with </mediawiki>" in refusal(path)
    path.rename(tmp_path / "a.xml.bz2")
    assert "does not end with </mediawiki>" in refusal(tmp_path / "a.xml.bz2")


@pytest.mark.parametrize("name", STORED_AS)
@pytest.mark.parametrize(
    "content",
    [b"", b"<html><body>Not found</body></html>", b"hello", b"\x00" * 100, header()[:50], b"<mediawiki/>x"],
    ids=["empty", "html", "text", "zeros", "half a header", "empty root"],
)
def test_what_is_no_dump_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = make_dump(tmp_path / name, PAGES)
    path.write_bytes(content)
    assert refusal(path)
    pack = {".bz2": bz2.compress, ".gz": gzip.compress}.get(path.suffix)
    if pack and content:
        path.write_bytes(pack(content))
        assert refusal(path)


def test_a_document_type_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    bomb = b'<!DOCTYPE mediawiki [<!ENTITY a "lol"><!ENTITY b SYSTEM "file:///etc/passwd">]>'
    path.write_bytes(bomb + header() + PAGES[0].xml().encode() + FOOTER)
    assert "document type" in refusal(path)


def test_junk_after_the_last_stream_is_refused(tmp_path: Path) -> None:
    for name in STORED_AS:
        path = make_dump(tmp_path / name, PAGES)
        path.write_bytes(path.read_bytes() + b"junk after the end")
        if name == "a.xml":
            assert isinstance(pages_of(path)[-1], DeadLetter)  # it can be told from the pages, and costs none
        else:
            refusal(path)


@pytest.mark.parametrize(
    ("name", "pages", "articles", "redirects", "language"),
    [
        ("enwiki-20160501-sample", 206, 106, 99, "en"),
        ("ltgwiki-20170901", 2004, 903, 147, "ltg"),
        ("viwiki-20230501-sample", 970, 274, 86, "vi"),
    ],
)
def test_real_dumps_hold_what_is_known_of_them(
    name: str, pages: int, articles: int, redirects: int, language: str
) -> None:
    path = SHARED / f"{name}-pages-articles-multistream.xml.bz2"
    if not path.exists():
        pytest.skip(f"{path.name} is not here: WIKILM_SHARED names the folder that has data/")
    found = pages_of(path, unit_bytes=300_000)
    assert len(found) == pages
    assert sum(isinstance(page, Article) for page in found) == articles
    assert sum(isinstance(page, Dropped) and page.reason == "redirect" for page in found) == redirects
    assert opened(path).site.language == language


@pytest.mark.parametrize("name", ["a.xml", "a.xml.bz2", "a.xml.gz", "a.xml.xz", "a-multistream.xml.bz2"])
@pytest.mark.parametrize(
    ("data", "what"),
    [
        (gzip.compress(b"x", mtime=0), "gzip"), (bz2.compress(b"x"), "bz2"), (lzma.compress(b"x"), "xz"),
        (b"PAR1....", "Parquet"),
        (b"<!DOCTYPE html><html><title>404</title>", "a web page (HTML)"), (b"\n<html lang='en'>", "a web page (HTML)"),
        (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN">', "a web page (HTML)"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "7z"), (b"\x28\xb5\x2f\xfd....", "zstd"), (b"PK\x03\x04....", "zip"),
        (header(), "XML"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_file_that_is_not_what_its_name_says_is_told_by_what_it_is(
    tmp_path: Path, name: str, data: bytes, what: str
) -> None:
    if {"a.xml": "XML", "a.xml.gz": "gzip", "a.xml.xz": "xz"}.get(name, "bz2") == what:
        return
    path = make_dump(tmp_path / name, [Page(1, "A", "a")])
    path.write_bytes(data + b" " * 300)
    with pytest.raises(RunError, match=re.escape(f"{name}: is {what}, not what its name says; ")):
        pages_of(path)
