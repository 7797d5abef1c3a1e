"""Pages are found to the byte, whatever stands between and within them, and wherever the text is cut into pieces."""

import itertools
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.articles.article import Article, DeadLetter
from pipeline.source.dump_pages import HEAD_BYTES, PageSplitter, RawPage, Whereabouts
from tests.helpers.dumps import FOOTER, Page, header, make_dump
from tests.helpers.sources import STORED_AS, opened, pages_of
from wikilm.errors import RunError

MAX = HEAD_BYTES + 100
FRAGMENTS = st.sampled_from(
    [
        "<page>a</page>", "<page b='c'>", "<page>", "</page>", "<pages>", "</mediawiki>", "<", "</", " ", "\n", "junk",
        "é", "<page>" + "x" * MAX + "</page>", "y" * HEAD_BYTES,
    ]
)  # fmt: skip


def split(pieces: list[bytes]) -> tuple[list[RawPage], bool, bool]:
    """The pages, whether the footer was met, and whether the text ended inside a page."""
    splitter = PageSplitter("dump", across_streams=True, max_page_bytes=MAX)
    found: list[RawPage] = []
    try:
        found.extend(splitter.split((0, piece) for piece in pieces))
    except RunError:
        return found, splitter.footer, True
    return found, splitter.footer, False


@given(st.lists(FRAGMENTS, max_size=12).map("".join), st.lists(st.integers(0, 6000), max_size=12))
def test_what_is_found_does_not_depend_on_where_the_text_is_cut(text: str, cuts: list[int]) -> None:
    data = text.encode()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    whole = split([data])
    assert split([data[start:stop] for start, stop in itertools.pairwise(edges)]) == whole
    assert split([data[at : at + 5] for at in range(0, len(data), 5)]) == whole


@given(st.lists(FRAGMENTS, max_size=12).map("".join))
def test_every_page_is_found_where_it_stands_and_nothing_else_is_one(text: str) -> None:
    data = text.encode()
    found, _, _ = split([data])
    for page in found:
        assert data[page.offset :].startswith(page.xml)
        assert page.is_page == page.xml.startswith((b"<page>", b"<page "))
        assert page.error or (page.is_page and page.xml.endswith(b"</page>") and len(page.xml) <= MAX)
    sound = [page.xml for page in found if not page.error]
    assert sound.count(b"<page>a</page>") == data.count(b"<page>a</page>")
    assert [page.offset for page in found] == sorted({page.offset for page in found})


@pytest.mark.parametrize("limit", [HEAD_BYTES, 20_000])
def test_no_more_than_the_limit_and_a_piece_is_held(limit: int) -> None:
    splitter = PageSplitter("dump", across_streams=True, max_page_bytes=limit)
    pieces = [b"<page>", *[b"x" * 1000] * 50, b"</page><page>", *[b"y" * 1000] * 50, b"</page>", b"<page></page>"]
    held = []

    def watched():
        for piece in pieces:
            held.append(len(splitter._buffer))
            yield 0, piece

    errors = [page.error for page in splitter.split(watched())]
    assert errors[:2] == [f"the page is larger than source.max_page_bytes = {limit}"] * 2
    assert len(errors) == 3
    assert max(held) <= limit + 1000


@given(st.text(max_size=40), st.integers(0, 2**62), st.integers(0, 2**62))
def test_the_place_of_a_page_is_read_as_it_was_written(file: str, stream: int, offset: int) -> None:
    place = Whereabouts(file, stream, offset)
    assert Whereabouts.parse(str(place)) == place


@pytest.mark.parametrize(
    "text", ["", "a.parquet, row group 2, row 9", "a.bz2, byte x of the text of the stream at byte 1"]
)
def test_what_names_no_place_of_a_dump_is_none(text: str) -> None:
    assert Whereabouts.parse(text) is None


def test_a_page_may_be_larger_than_the_parser_allows_by_itself(tmp_path: Path) -> None:
    text = "x" * 11_000_000
    (page,) = pages_of(make_dump(tmp_path / "a.xml.bz2", [Page(1, "Large", text)]), max_page_bytes=12_000_000)
    assert isinstance(page, Article)
    assert page.text == text


@pytest.mark.parametrize("name", STORED_AS)
def test_a_page_too_large_is_a_dead_letter_that_names_the_setting_and_the_others_are_read(
    tmp_path: Path, name: str
) -> None:
    large = Page(2, "Large", "x" * 5_000_000)
    path = make_dump(tmp_path / name, [Page(1, "A", "a"), large, Page(3, "C", "c")], pages_per_stream=3)
    size = len(large.xml().strip().encode())
    assert [type(page) for page in pages_of(path, max_page_bytes=size)] == [Article] * 3
    for limit in (size - 1, 5000):
        found = pages_of(path, max_page_bytes=limit)
        assert [type(page) for page in found] == [Article, DeadLetter, Article]
        assert (found[1].page_id, found[1].title) == (2, "Large")
        assert f"source.max_page_bytes = {limit}" in found[1].error


def test_a_page_of_any_size_is_read_in_the_memory_of_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    before, _, after = Page(2, "Large", "HERE").xml().partition("HERE")
    with path.open("wb") as file:
        file.write(header() + before.encode())
        for _ in range(300):
            file.write(b"y" * (1 << 20))
        file.write(after.encode() + Page(3, "C", "c").xml().encode() + FOOTER)
    source = opened(path, max_page_bytes=1 << 20)
    tracemalloc.start()
    found = [type(page) for page in source.units[0].pages(source.site)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [DeadLetter, Article]
    assert peak < 8 << 20
