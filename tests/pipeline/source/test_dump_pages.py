"""Pages are found to the byte, whatever stands between and within them, and wherever the text is cut into pieces."""

import itertools
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.articles.article import Article, DeadLetter
from pipeline.source.dump_pages import HEAD_BYTES, PageSplitter, RawPage, Whereabouts
from tests.helpers.dumps import FOOTER, Page, header, history, make_dump, revision
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


def test_the_limit_of_a_page_is_about_its_newest_revision_not_about_the_sum(tmp_path: Path) -> None:
    small = [revision(n, f"2001-01-{n:02}T00:00:00Z", f"text {n} " * 100) for n in range(1, 31)]
    large = revision(99, "2000-01-01T00:00:00Z", "spam " * 10_000)
    newest = revision(99, "2024-01-01T00:00:00Z", "spam " * 10_000)
    for number, (page, is_article) in enumerate(
        [(history(*small), True), (history(large, *small), True), (history(*small[:9], large, *small[9:]), True),
         (history(*small, newest), False), (history(newest, *small), False)]
    ):  # fmt: skip
        path = make_dump(tmp_path / f"{number}.xml", [Page(5, "T", raw=page), Page(6, "U", "x")])
        first, second = pages_of(path, max_page_bytes=5000)
        assert isinstance(first, Article if is_article else DeadLetter)
        assert isinstance(second, Article)
        if isinstance(first, DeadLetter):
            assert (first.page_id, first.error) == (5, "the page is larger than source.max_page_bytes = 5000")
        else:
            assert first.text.startswith("text 30 ")


OLD, MIDDLE, NEW = (revision(n, f"20{n:02}-01-01T00:00:00Z", text) for n, text in ((1, "old"), (2, "mid"), (3, "new")))
PARTS = st.sampled_from(
    [OLD, MIDDLE, NEW, "<page>", "</page>", "<revision>", "</revision>", "junk", "<title>T</title>", "<id>5</id>", " ",
     revision(9, "2009-01-01T00:00:00Z", "x" * 3000), revision(1, "2000-01-01T00:00:00Z", "y" * 6000)]
)  # fmt: skip


@given(st.lists(PARTS, max_size=14).map("".join), st.lists(st.integers(0, 20_000), max_size=12), st.integers(1, 900))
def test_of_a_history_too_the_same_is_found_wherever_the_text_is_cut(text: str, cuts: list[int], size: int) -> None:
    data = text.encode()

    def found(pieces: list[bytes]) -> list[tuple[int, bytes, str]]:
        splitter = PageSplitter("dump", across_streams=True, max_page_bytes=HEAD_BYTES + 500)
        pages = []
        try:
            for page in splitter.split((0, piece) for piece in pieces):
                pages.append((page.offset, page.xml if not page.error else page.xml[:100], page.error))
        except Exception as error:
            pages.append((-1, b"", str(error)))
        return pages

    whole = found([data])
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    assert found([data[start:stop] for start, stop in itertools.pairwise(edges)]) == whole
    assert found([data[at : at + size] for at in range(0, len(data), size)]) == whole


def test_of_a_history_no_more_than_three_limits_and_a_piece_are_held() -> None:
    splitter = PageSplitter("dump", across_streams=True, max_page_bytes=HEAD_BYTES)
    held = []

    def watched():
        yield 0, b"<page><title>T</title>"
        for number in range(200):
            for piece in (f"<revision><timestamp>{number:04}</timestamp>".encode(), b"x" * 1500, b"</revision>"):
                held.append(len(splitter._buffer))
                yield 0, piece
        for _ in range(50):  # and what comes after the last revision is not held for ever either
            held.append(len(splitter._buffer))
            yield 0, b"y" * 1000
        yield 0, b"</page>"

    assert len(list(splitter.split(watched()))) == 1
    assert max(held) <= 3 * HEAD_BYTES + 1500
