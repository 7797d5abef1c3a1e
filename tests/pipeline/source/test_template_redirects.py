"""Redirects between templates are found in any storage and any pieces of it, and nothing else is taken for one."""

import itertools
import json
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.articles.site import Site
from pipeline.source.template_redirects import template_redirects
from tests.helpers.dumps import NAMESPACES, Page, header, make_dump
from tests.helpers.sources import STORED_AS, opened

SITE = Site(namespaces=((10, "Veidne"),))
NAMES = {**NAMESPACES, 10: "Veidne"}
FAKE = Page(99, "Veidne:Fake", ns=10, redirect="Veidne:Convert").xml()
PAGES = [
    Page(1, "Veidne:Km", ns=10, redirect="Veidne:Convert"),
    Page(2, "Ant", f"An ant.\n{FAKE}"),
    Page(3, "Cat", redirect="Veidne:Convert"),
    Page(4, "Veidne:AT&T", ns=10, redirect="Veidne:\"quoted\" <'n'>"),
    Page(5, "Veidne:Out", ns=10, redirect="Help:Convert"),
    Page(6, "Veidne:Convert", FAKE, ns=10),
    Page(7, "Template:C++ (a|b)", ns=10, redirect="template:.*[x"),
    Page(8, "Veidne:Sub:page", ns=10, redirect="Veidne:Sub:other"),
    Page(9, "Veidne:" + "&" * 255, ns=10, redirect="Veidne:" + '"' * 255),
]
FOUND = [
    ("Km", "Convert"), ("AT&T", "\"quoted\" <'n'>"), ("C++ (a|b)", ".*[x"), ("Sub:page", "Sub:other"),
    ("&" * 255, '"' * 255),
]  # fmt: skip


@pytest.mark.parametrize("name", STORED_AS)
@pytest.mark.parametrize("unit_bytes", [1, 10**9])
def test_the_redirects_between_templates_are_found_in_any_storage(tmp_path: Path, name: str, unit_bytes: int) -> None:
    source = opened(make_dump(tmp_path / name, PAGES, NAMES), unit_bytes)
    assert [redirect for unit in source.units for redirect in unit.template_redirects(source.site)] == FOUND


@given(st.lists(st.integers(0, 30_000), max_size=20), st.sampled_from(["", "ns0:"]))
def test_how_the_text_comes_in_pieces_makes_no_difference(cuts: list[int], prefix: str) -> None:
    xml = (
        "".join(page.xml() for page in PAGES)
        .replace("</", "\0")
        .replace("<", f"<{prefix}")
        .replace("\0", f"</{prefix}")
    )
    text = header(NAMES) + xml.encode()
    places = [0, *sorted(cuts), len(text)]
    pieces = [text[first:last] for first, last in itertools.pairwise(places)]
    assert list(template_redirects(pieces, SITE, prefix.encode())) == FOUND


def test_memory_is_that_of_a_piece_however_much_looks_like_the_start_of_one() -> None:
    junk = b"<title>" + escape("Veidne:" + "&" * 300).encode() + b"</title><ns>10</ns>" + b" " * 5000
    sizes = []

    class Piece(bytes):
        def __radd__(self, other: bytes) -> bytes:
            sizes.append(len(other))
            return other + bytes(self)

    assert list(template_redirects((Piece(junk) for _ in range(2000)), SITE, b"")) == []
    assert max(sizes) <= len(junk) + 5000


def test_invalid_bytes_are_no_error() -> None:
    page = b'<title>Veidne:\xff</title><ns>10</ns><id>1</id><redirect title="Veidne:\xfe&bad;" />'
    [(name, leads_to)] = template_redirects([page], SITE, b"")
    assert json.loads(json.dumps([name, leads_to])) == ["\ufffd", "\ufffd&bad;"]
