"""The index of a multistream dump is found by name, and stands for its dump."""

import pytest

from pipeline.source.dump_index import index_name
from pipeline.source.listing import kind_of


@pytest.mark.parametrize(
    ("dump", "index"),
    [
        ("/d/xwiki-1-pages-articles-multistream.xml.bz2", "/d/xwiki-1-pages-articles-multistream-index.txt.bz2"),
        ("enwiki-1-multistream7.xml-p10p99.bz2", "enwiki-1-multistream-index7.txt-p10p99.bz2"),
        ("xwiki-pages-articles.xml.bz2", None),
        ("x-multistream-index.txt.bz2", None),
        ("x-multistream.xml", None),
    ],
)
def test_the_index_has_the_name_that_dumps_are_served_with(dump: str, index: str | None) -> None:
    assert index_name(dump) == index


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a-multistream.xml.bz2", "multistream"),
        ("a-pages-articles.xml.bz2", "xml.bz2"),
        ("a.xml-p1p9.bz2", "xml.bz2"),
        ("a.xml.gz", "xml.gz"),
        ("A.XML", "xml"),
        ("a.parquet", "parquet"),
    ],
)
def test_the_kind_of_a_source_is_in_its_name(name: str, kind: str) -> None:
    assert kind_of(name) == kind
