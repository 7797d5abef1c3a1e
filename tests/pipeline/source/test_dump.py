"""A dump is read whole or refused: each way of being cut, damaged or mismatched is one line that names the file."""

import bz2
import dataclasses
import gzip
import pickle
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.articles.article import Article, DeadLetter, Dropped
from pipeline.settings import SourceSettings
from pipeline.source import dump_streams as stored
from pipeline.source.plan import Source, open_source
from tests.helpers import SHARED
from tests.helpers.dumps import FOOTER, NAMESPACES, Page, header, index_of, make_dump, read_index, write_index
from wikilm.errors import RunError, UsageError

PAGES = [
    Page(3, "Ant", "An '''ant'''."),
    Page(7, "Bee & <wasp>", "  A bee's &nbsp; text\n"),
    Page(8, "Cat", redirect="Felis"),
    Page(9, "Talk:Ant", "Hello", ns=1),
    Page(12, "Đông Đô", "漢字 𝔘 <|endoftext|>"),
    Page(13, "Empty", ""),
    Page(20, "Data", "{}", model="json"),
]
NAMES = ["a-multistream.xml.bz2", "a.xml", "a.xml.bz2", "a.xml.gz"]


def opened(path: Path, unit_bytes: int = 1, **settings: int) -> Source:
    return open_source(SourceSettings(path=str(path), unit_bytes=unit_bytes, **settings))


def pages_of(path: Path, unit_bytes: int = 1, **settings: int) -> list[Article | Dropped | DeadLetter]:
    source = opened(path, unit_bytes, **settings)
    return [page for unit in source.units for page in unit.pages(source.site)]


def refusal(path: Path, unit_bytes: int = 1) -> str:
    """The one line with which a run on this dump ends."""
    with pytest.raises(RunError) as caught:
        pages_of(path, unit_bytes)
    line = str(caught.value)
    assert "\n" not in line
    assert path.name.split("-multistream")[0].split(".")[0] in line
    return line


@pytest.mark.parametrize("name", NAMES)
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


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=30)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    texts=st.lists(TEXTS, min_size=1, max_size=9),
    per_stream=st.integers(1, 5),
    unit_bytes=st.integers(1, 3000),
)
def test_units_hold_whole_streams_and_all_of_them(
    tmp_path: Path, texts: list[str], per_stream: int, unit_bytes: int
) -> None:
    pages = [Page(number, f"T{number}", text) for number, text in enumerate(texts, 1)]
    path = make_dump(tmp_path / "a-multistream.xml.bz2", pages, pages_per_stream=per_stream)
    source = opened(path, unit_bytes)
    found = [page for unit in source.units for page in unit.pages(source.site)]
    assert [page.text for page in found if isinstance(page, Article)] == texts
    assert [unit.number for unit in source.units] == list(range(source.entry.units))
    first = int(read_index(path)[0].split(":")[0])
    assert sum(unit.bytes for unit in source.units) == path.stat().st_size - first
    streams = len({line.split(":")[0] for line in read_index(path)})
    assert len(source.units) <= streams
    if unit_bytes == 1:
        assert len(source.units) == streams


def test_a_plan_is_small_plain_data_that_reads_the_same_after_pickling(tmp_path: Path) -> None:
    pages = [Page(number, f"T{number}", "text " * 50) for number in range(1, 300)]
    source = opened(make_dump(tmp_path / "a-multistream.xml.bz2", pages), unit_bytes=20_000)
    for unit in source.units:
        sent = pickle.dumps(unit)
        assert len(sent) < 700
        assert list(pickle.loads(sent).pages(pickle.loads(pickle.dumps(source.site)))) == list(unit.pages(source.site))


def test_the_plan_does_not_depend_on_the_folder_or_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_dump(tmp_path / "a-multistream.xml.bz2", PAGES)
    absolute = opened(tmp_path / "a-multistream.xml.bz2")
    monkeypatch.chdir(tmp_path)
    assert opened(Path("a-multistream.xml.bz2")) == absolute
    assert absolute.entry.name == "a-multistream.xml.bz2"


def test_site_comes_from_the_header(tmp_path: Path) -> None:
    names = NAMESPACES | {6: "Fails", 14: "Kategoreja"}
    site = opened(make_dump(tmp_path / "a.xml", PAGES, names, language="ltg", database="ltgwiki")).site
    assert (site.language, site.database, site.name) == ("ltg", "ltgwiki", "Miniwiki")
    assert [site.namespace_of(name) for name in ("fails", "FILE", "Image", "kategoreja", "Category", "de", "")] == [
        6, 6, 6, 14, 14, None, None,
    ]  # fmt: skip


# --- damage --------------------------------------------------------------------------------------------------------


def test_a_missing_index_is_named_with_the_way_out(tmp_path: Path) -> None:
    path = make_dump(tmp_path / "a-multistream.xml.bz2", PAGES)
    index_of(path).unlink()
    assert f"{index_of(path)}: no such file" in refusal(path)
    assert pages_of(path.rename(tmp_path / "a.xml.bz2"))  # the way out that it names


@pytest.mark.parametrize("name", NAMES)
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


def test_a_damaged_byte_is_refused_with_the_place_of_its_stream(tmp_path: Path) -> None:
    path = make_dump(tmp_path / "a-multistream.xml.bz2", PAGES)
    whole = bytearray(path.read_bytes())
    start = int(read_index(path)[2].split(":")[0])
    whole[start + 40] ^= 255
    path.write_bytes(whole)
    assert f"stream at byte {start}" in refusal(path)


@pytest.mark.parametrize("name", NAMES)
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


def test_an_index_that_does_not_fit_is_refused_naming_what_differs(tmp_path: Path) -> None:
    path = make_dump(tmp_path / "a-multistream.xml.bz2", PAGES)
    lines = read_index(path)
    size = path.stat().st_size
    first = int(lines[0].split(":")[0])
    wrong = {
        "of its bytes": ([*lines[:-1], f"{size + 5}:20:Data"], f"stream offset {size + 5} is not in its {size} bytes"),
        "no stream there": ([lines[0], lines[1], f"{first + 9}:8:Cat", *lines[3:]], "does not fit"),
        "backwards": ([*lines[2:], *lines[:2]], "comes after a later one"),
        "missing first": (lines[2:], "there are pages before the first"),
        "missing in the middle": ([*lines[:2], *lines[4:]], "does not fit"),
        "missing last": (lines[:-1], "it names no more pages, where there is page 20"),
        "one too many": ([*lines, f"{lines[-1].split(':')[0]}:99:Z"], "it names page 99"),
        "another id": ([lines[0], lines[1].replace(":7:", ":77:"), *lines[2:]], "it names page 77"),
        "not a line": ([*lines[:1], "x:y", *lines[1:]], "line 2 is not 'offset:page id:title'"),
        "nothing": ([], "names no page"),
        "negative": (["-5:3:Ant"], "line 1 is not"),
    }
    for what, (changed, message) in wrong.items():
        write_index(path, changed)
        for unit_bytes in (1, 10_000_000):
            line = refusal(path, unit_bytes)
            assert message in line, what
            assert "index" in line, what


def test_a_cut_index_is_refused(tmp_path: Path) -> None:
    path = make_dump(tmp_path / "a-multistream.xml.bz2", PAGES)
    index_of(path).write_bytes(index_of(path).read_bytes()[:-10])
    assert "not a whole bz2 file" in refusal(path)


def test_junk_after_the_last_stream_is_refused(tmp_path: Path) -> None:
    for name in NAMES:
        path = make_dump(tmp_path / name, PAGES)
        path.write_bytes(path.read_bytes() + b"junk after the end")
        if name == "a.xml":
            assert isinstance(pages_of(path)[-1], DeadLetter)  # it can be told from the pages, and costs none
        else:
            refusal(path)


def test_unknown_names_and_missing_files_are_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    for path in (tmp_path / "a.txt", tmp_path / "none.xml.bz2"):
        with pytest.raises(UsageError, match=r"source\.path"):
            opened(path)


# --- one page that is wrong costs one page ---------------------------------------------------------------------------

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


def test_a_page_may_be_larger_than_the_parser_allows_by_itself(tmp_path: Path) -> None:
    text = "x" * 11_000_000
    (page,) = pages_of(make_dump(tmp_path / "a.xml.bz2", [Page(1, "Large", text)]), max_page_bytes=12_000_000)
    assert isinstance(page, Article)
    assert page.text == text


@pytest.mark.parametrize("name", NAMES)
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


@pytest.mark.parametrize("name", ["a.xml.bz2", "a.xml.gz", "a-multistream.xml.bz2"])
@pytest.mark.parametrize("inside", ["a page", "no page"])
def test_a_decompression_bomb_is_refused_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, inside: str
) -> None:
    monkeypatch.setattr(stored, "BOMB_BYTES", 8 << 20)
    page = Page(2, "Bomb", "x" * (64 << 20) if inside == "a page" else "").xml() + " " * (64 << 20)
    path = make_dump(tmp_path / name, [Page(1, "A", "a"), Page(2, "Bomb", raw=page)])
    line = refusal(path)
    assert "decompression bomb" in line
    assert int(line.split(" MiB")[0].split()[-1]) < 64


def test_pages_may_go_on_in_the_next_stream_where_a_parallel_packer_has_cut(tmp_path: Path) -> None:
    path = make_dump(tmp_path / "a.xml", PAGES)
    data = path.read_bytes()
    packed = tmp_path / "a.xml.bz2"
    packed.write_bytes(b"".join(bz2.compress(data[at : at + 300]) for at in range(0, len(data), 300)))
    assert [page.page_id for page in pages_of(packed)] == [page.id for page in PAGES]
    members = tmp_path / "a.xml.gz"
    members.write_bytes(b"".join(gzip.compress(data[at : at + 300]) for at in range(0, len(data), 300)))
    assert [page.page_id for page in pages_of(members)] == [page.id for page in PAGES]


# --- the real dumps --------------------------------------------------------------------------------------------------


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
