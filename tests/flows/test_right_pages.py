"""The pages of a source become the articles that its wiki shows: each once, in its newest text, and no redirect."""

import bz2
import dataclasses
import gzip
import itertools
import lzma
import re
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.__main__ import main as pipeline
from pipeline.articles.article import Article, DeadLetter, Dropped, Page
from pipeline.output import repeats
from pipeline.output.repeats import find_repeats, pages_name
from pipeline.output.reports import UnitReport
from pipeline.output.shard_file import ArrowFile
from pipeline.settings import SourceSettings
from pipeline.show import main as show
from pipeline.source.dump_pages import HEAD_BYTES, PageSplitter
from pipeline.source.plan import open_source
from pipeline.storage.place import Place
from pipeline.unit.batch import NOTHING
from tests.helpers import ROOT, dumps
from tests.helpers.dumps import header, make_dump
from wikilm.cli import run
from wikilm.errors import RunError, UsageError
from wikilm.shards import Manifest, read_manifest


def pages_of(path: Path, **settings: object) -> list[Page]:
    source = open_source(SourceSettings(path=str(path), unit_bytes=1000, **settings))
    return [page for unit in source.units for page in unit.pages(source.site)]


def revision(number: int, timestamp: str, text: str) -> str:
    return f"<revision><id>{number}</id><timestamp>{timestamp}</timestamp><text>{text}</text></revision>"


def history(*revisions: str) -> str:
    return f"<page><title>T</title><ns>0</ns><id>5</id>{''.join(revisions)}</page>"


OLD, MIDDLE, NEW = (revision(n, f"20{n:02}-01-01T00:00:00Z", text) for n, text in ((1, "old"), (2, "mid"), (3, "new")))


@pytest.mark.parametrize("order", list(itertools.permutations([OLD, MIDDLE, NEW])))
@pytest.mark.parametrize("name", ["a.xml", "a-multistream.xml.bz2"])
def test_the_revision_with_the_latest_timestamp_is_the_text(tmp_path: Path, name: str, order: tuple[str, ...]) -> None:
    path = make_dump(tmp_path / name, [dumps.Page(5, "T", raw=history(*order)), dumps.Page(6, "U", "other")])
    found = [(page.page_id, page.revision_id, page.text) for page in pages_of(path) if isinstance(page, Article)]
    assert found == [(5, 3, "new"), (6, 1006, "other")]


def test_the_limit_of_a_page_is_about_its_newest_revision_not_about_the_sum(tmp_path: Path) -> None:
    small = [revision(n, f"2001-01-{n:02}T00:00:00Z", f"text {n} " * 100) for n in range(1, 31)]
    large = revision(99, "2000-01-01T00:00:00Z", "spam " * 10_000)
    newest = revision(99, "2024-01-01T00:00:00Z", "spam " * 10_000)
    for number, (page, is_article) in enumerate(
        [(history(*small), True), (history(large, *small), True), (history(*small[:9], large, *small[9:]), True),
         (history(*small, newest), False), (history(newest, *small), False)]
    ):  # fmt: skip
        path = make_dump(tmp_path / f"{number}.xml", [dumps.Page(5, "T", raw=page), dumps.Page(6, "U", "x")])
        first, second = pages_of(path, max_page_bytes=5000)
        assert isinstance(first, Article if is_article else DeadLetter)
        assert isinstance(second, Article)
        if isinstance(first, DeadLetter):
            assert (first.page_id, first.error) == (5, "the page is larger than source.max_page_bytes = 5000")
        else:
            assert first.text.startswith("text 30 ")


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


TITLES = ["AT&T", "<b>", "Rock 'n' Roll", 'The "x"', "a:b", "1 < 2 & 3 > 2"]


@pytest.mark.parametrize("unpacked", [False, True])
@pytest.mark.parametrize("title", TITLES)
def test_a_page_is_shown_by_its_title_whatever_xml_makes_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], title: str, unpacked: bool
) -> None:
    pages = [dumps.Page(n, name, f"text of {n}") for n, name in enumerate(TITLES, 1)]
    path = make_dump(tmp_path / "a-multistream.xml.bz2", pages)
    if unpacked:
        index = dumps.index_of(path)
        index.with_suffix("").write_bytes(bz2.decompress(index.read_bytes()))
        index.unlink()
    assert run(show, "show", ["--source", str(path), "--title", title, "--params", str(ROOT / "params.yaml")]) == 0
    assert f"text of {TITLES.index(title) + 1}" in capsys.readouterr().out


REDIRECTS = [
    "#REDIRECT [[Bee]]", "#redirect [[Bee]]", "#WEITERLEITUNG [[Biene]]", "#Weiterleitung: [[Biene|b]]",
    "#REDIRECTION[[Abeille]]", "#REDIRECCIÓN [[Abeja]]", "#RINVIA [[Ape]]", "#DOORVERWIJZING [[Bij]]",
    "#PATRZ [[Pszczoła]]", "#перенаправление [[Пчела]]", "#ПЕРЕНАПРАВЛЕННЯ [[Бджола]]",
    "#OMDIRIGERING [[Bi]]", "\n #OHJAUS [[Mehiläinen]]", "#転送 [[ミツバチ]]", "＃リダイレクト [[ミツバチ]]",
    "#넘겨주기 [[꿀벌]]", "#重定向 [[蜜蜂]]", "#重新導向 [[蜜蜂]]", "#đổi [[Ong]]", "#เปลี่ยนทาง [[ผึ้ง]]",
    "#تحويل [[نحل]]", "#تغییر_مسیر [[زنبور]]", "#تغییر مسیر [[زنبور]]", "#הפניה [[דבורה]]",
    "#अनुप्रेषित [[मधुमक्खी]]", "#পুনর্নির্দেশ [[মৌমাছি]]", "#ÁTIRÁNYÍTÁS [[Méh]]", "#YÖNLENDİRME [[Arı]]",
    "#ALIH [[Lebah]]", "#PŘESMĚRUJ [[Včela]]", "#ΑΝΑΚΑΤΕΥΘΥΝΣΗ [[Μέλισσα]]", "#Преусмери [[Пчела]]",
]  # fmt: skip


def test_a_text_that_redirects_is_a_redirect_where_the_dump_has_no_element_for_it(tmp_path: Path) -> None:
    """Exports before schema 0.4, and those of other programs, have no `<redirect>`."""
    raw = [
        f"<page><title>T{number}</title><id>{number}</id>{revision(number, '2004-01-01T00:00:00Z', text)}</page>"
        for number, text in enumerate(REDIRECTS, 1)
    ]
    path = make_dump(tmp_path / "a.xml", [dumps.Page(number, "T", raw=text) for number, text in enumerate(raw, 1)])
    assert [page.reason for page in pages_of(path) if isinstance(page, Dropped)] == ["redirect"] * len(REDIRECTS)


@pytest.mark.parametrize(
    "text",
    [
        "# [[Bee]] is the first of a list",
        "#REDIRECT Bee",
        "#REDIRECTED [[Bee]]",
        "The #REDIRECT [[Bee]]",
        "#REDIRECT []",
    ],
)
def test_what_only_looks_like_a_redirect_is_an_article(tmp_path: Path, text: str) -> None:
    [page] = pages_of(make_dump(tmp_path / "a.xml", [dumps.Page(1, "T", text)]))
    assert isinstance(page, Article)


def without_place(page: Page) -> Page:
    return page if isinstance(page, Dropped) else dataclasses.replace(page, where="")


@pytest.mark.parametrize("name", ["a.xml", "a.xml.bz2", "a-multistream.xml.bz2"])
def test_tags_may_have_the_prefix_that_another_program_has_given_them(tmp_path: Path, name: str) -> None:
    pages = [dumps.Page(1, "A", "a <b>x</b> & y"), dumps.Page(2, "B", "b"), dumps.Page(3, "C", redirect="A")]
    expected = pages_of(make_dump(tmp_path / "plain.xml", pages))

    def prefixed(xml: str) -> str:
        return re.sub(r"<(/?)(?=[a-z])", r"<\1ns0:", xml).replace("xmlns=", "xmlns:ns0=")

    raw = [dumps.Page(page.id, page.title, raw=prefixed(page.xml())) for page in pages]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dumps, "header", lambda *names: prefixed(header(*names).decode()).encode())
        patch.setattr(dumps, "FOOTER", b"</ns0:mediawiki>\n")
        path = make_dump(tmp_path / name, raw)
    assert [without_place(page) for page in pages_of(path)] == [without_place(page) for page in expected]
    assert open_source(SourceSettings(path=str(path), unit_bytes=1000)).site.database == "miniwiki"


def test_a_page_may_say_its_namespace_itself(tmp_path: Path) -> None:
    raw = dumps.Page(1, "A", "text").xml().replace("<page>", '<page xmlns="http://www.mediawiki.org/xml/export-0.11/">')
    [page] = pages_of(make_dump(tmp_path / "a.xml", [dumps.Page(1, "A", raw=raw)]))
    assert isinstance(page, Article)
    assert (page.page_id, page.title, page.text) == (1, "A", "text")


def test_zeros_after_a_gzip_member_are_padding(tmp_path: Path) -> None:
    path = make_dump(tmp_path / "a.xml.gz", [dumps.Page(1, "A", "a")])
    expected = pages_of(path)
    for zeros in (1, 511, 1 << 19):
        path.write_bytes(path.read_bytes() + b"\0" * zeros)
        assert pages_of(path) == expected


@pytest.mark.parametrize("name", ["a.xml", "a.xml.bz2", "a.xml.gz", "a.xml.xz", "a-multistream.xml.bz2"])
@pytest.mark.parametrize(
    ("data", "what"),
    [
        (gzip.compress(b"x", mtime=0), "gzip"), (bz2.compress(b"x"), "bz2"), (lzma.compress(b"x"), "xz"),
        (b"PAR1....", "Parquet"),
        (b"<!DOCTYPE html><html><title>404</title>", "a web page (HTML)"), (b"\n<html lang='en'>", "a web page (HTML)"),
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
    path = make_dump(tmp_path / name, [dumps.Page(1, "A", "a")])
    path.write_bytes(data + b" " * 300)
    with pytest.raises(RunError, match=re.escape(f"{name}: is {what}, not what its name says; ")):
        pages_of(path)


def test_an_xz_dump_is_the_same_source_as_a_plain_one(tmp_path: Path) -> None:
    pages = [dumps.Page(number, f"T{number}", "text " * 100) for number in range(1, 50)]
    plain = make_dump(tmp_path / "a.xml", pages)
    packed = tmp_path / "b.xml.xz"
    packed.write_bytes(lzma.compress(plain.read_bytes()[:5000]) + lzma.compress(plain.read_bytes()[5000:]))
    assert [without_place(page) for page in pages_of(packed)] == [without_place(page) for page in pages_of(plain)]
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(RunError, match="is cut: the xz stream"):
        pages_of(packed)


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.string()])
def test_ids_of_parquet_start_at_0_and_may_be_whole_floats(tmp_path: Path, kind: pa.DataType) -> None:
    ids = pa.array([0, 1, 2], pa.int64()).cast(kind)
    if pa.types.is_floating(kind):
        ids = pa.concat_arrays([ids, pa.array([1.5, float("nan"), float("inf")], kind)])
    text = ["text"] * len(ids)
    for rows in (1, 10):
        pq.write_table(pa.table({"id": ids, "title": text, "text": text}), tmp_path / "a.parquet", row_group_size=rows)
        found = pages_of(tmp_path / "a.parquet")
        assert [page.page_id for page in found if isinstance(page, Article)] == [0, 1, 2]
        assert len(found) == len(ids)


def test_parquet_of_two_wikis_is_refused(tmp_path: Path) -> None:
    for language in ("de", "en"):
        url = [f"https://{language}.wikipedia.org/wiki/A"]
        pq.write_table(
            pa.table({"id": [1], "url": url, "title": ["A"], "text": ["a"]}), tmp_path / f"{language}.parquet"
        )
    with pytest.raises(RunError, match=r"en\.parquet: is of en\.wikipedia\.org, but de\.parquet of de\.wikipedia\.org"):
        open_source(SourceSettings(path=str(tmp_path), unit_bytes=10))
    assert open_source(SourceSettings(path=str(tmp_path / "de.parquet"), unit_bytes=10)).site.language == "de"


@pytest.mark.parametrize(
    ("pages", "why"),
    [
        ([dumps.Page(1, "A", redirect="B")], "none of its 1 pages is an article (1 redirect)"),
        ([dumps.Page(1, "A", "")], "1 of its 1 articles have no text; a stub dump has none"),
        ([dumps.Page(1, "A", "short")], "its 1 articles together are shorter than a row"),
    ],
)
def test_a_run_that_makes_no_row_fails_says_why_and_publishes_nothing(
    tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str], pages: list[dumps.Page], why: str
) -> None:
    path, output = make_dump(tmp_path / "a.xml", pages), tmp_path / "out"
    arguments = ["--source", str(path), "--tokenizer", str(tiny / "tokenizer"), "--output", str(output)]
    assert run(pipeline, "pipeline", [*arguments, "--params", str(ROOT / "params.yaml")]) == 1
    assert why in capsys.readouterr().err
    assert not output.exists()


def test_two_sources_are_refused_and_none_is_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(pipeline, "pipeline", ["--source", "a.xml", "--source", "b.xml"])
    assert "--source: given twice; name one source" in capsys.readouterr().err


def made(tmp_path: Path, tiny: Path, source: Path, name: str = "out", *more: str) -> tuple[Manifest, list[int]]:
    """The manifest of the shards of a source, and the page ids in its articles tables."""
    output = tmp_path / name
    arguments = ["--source", str(source), "--tokenizer", str(tiny / "tokenizer"), "--output", str(output), *more]
    assert run(pipeline, "pipeline", [*arguments, "--unit-bytes", "500", "--params", str(ROOT / "params.yaml")]) == 0
    manifest = read_manifest(output)
    tables = [pa.ipc.open_stream((output / entry.path).read_bytes()).read_all() for entry in manifest.articles]
    return manifest, sorted(page_id for table in tables for page_id in table["page_id"].to_pylist())


def page(number: int, year: int, text: str, redirect: bool = False) -> dumps.Page:
    element = '<redirect title="X" />' if redirect else ""
    raw = f"<page><title>T{number}</title><ns>0</ns><id>{number}</id>{element}"
    return dumps.Page(number, f"T{number}", raw=raw + revision(year, f"{year}-01-01T00:00:00Z", text) + "</page>")


WORDS = " ".join(f"the river {number} flows by the sea" for number in range(40))


@pytest.mark.parametrize("order", [[2001, 2003, 2002], [2003, 2002, 2001], [2001, 2002, 2003]])
@pytest.mark.parametrize("name", ["a.xml", "a-multistream.xml.bz2"])
def test_of_a_page_that_occurs_again_only_the_newest_revision_is_an_article(
    tmp_path: Path, tiny: Path, name: str, order: list[int]
) -> None:
    others = [page(number, 2010, f"{WORDS} {number}") for number in range(10, 16)]
    again = [page(5, year, f"{WORDS} of {year}") for year in order]
    source = make_dump(tmp_path / name, [others[0], again[0], *others[1:3], again[1], *others[3:], again[2]])
    manifest, ids = made(tmp_path, tiny, source)
    assert ids == [5, *range(10, 16)]
    assert (manifest.counts.pages, manifest.counts.articles, manifest.counts.left_out["repeated"]) == (9, 7, 2)
    (tmp_path / "newest").mkdir()
    newest = [again[order.index(2003)], *others]
    once, _ = made(tmp_path, tiny, make_dump(tmp_path / "newest" / name, newest), "once")
    assert once.counts.text_bytes == manifest.counts.text_bytes
    assert once.counts.tokens == manifest.counts.tokens


def test_a_newer_redirect_takes_its_article_out_and_a_newer_article_its_redirect(tmp_path: Path, tiny: Path) -> None:
    pages = [
        page(1, 2001, WORDS), page(2, 2001, "", redirect=True), page(3, 2001, WORDS),
        page(1, 2002, "", redirect=True), page(2, 2002, WORDS),
    ]  # fmt: skip
    manifest, ids = made(tmp_path, tiny, make_dump(tmp_path / "a.xml.bz2", pages))
    assert ids == [2, 3]
    counts = manifest.counts
    assert (counts.pages, counts.articles, counts.redirects, counts.left_out["repeated"]) == (5, 2, 1, 2)


def test_repeated_rows_of_parquet_count_once_and_the_last_is_taken(tmp_path: Path, tiny: Path) -> None:
    ids = [1, 2, 1, 3, 2, 1]
    table = pa.table({"id": ids, "title": [f"T{i}" for i in ids], "text": [f"{WORDS} {row}" for row in range(6)]})
    (tmp_path / "rows").mkdir()
    for rows in (1, 2, 6):
        pq.write_table(table, tmp_path / "rows" / f"{rows}.parquet", row_group_size=rows)
        manifest, found = made(tmp_path, tiny, tmp_path / "rows" / f"{rows}.parquet", f"out-{rows}")
        assert found == [1, 2, 3]
        assert manifest.counts.left_out == {"repeated": 3}
        assert manifest.counts.text_bytes == 3 * len(f"{WORDS} 0")


def test_take_counts_articles_and_not_their_revisions(tmp_path: Path, tiny: Path) -> None:
    pages = [page(number, year, f"{WORDS} {year}") for year in (2001, 2002) for number in (5, 6, 7)]
    manifest, ids = made(tmp_path, tiny, make_dump(tmp_path / "a.xml", pages), "out", "--take", "1,0")
    assert (len(ids), manifest.counts.train_articles) == (1, 1)
    assert manifest.counts.left_out == {"not_taken": 2, "repeated": 3}


@given(
    st.lists(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3)), max_size=8), min_size=1, max_size=4),
    st.integers(1, 30),
)
def test_what_is_repeated_does_not_depend_on_how_many_are_compared_at_once(
    units: list[list[tuple[int, int]]], at_once: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "AT_ONCE", at_once)
        work, reports = Place(folder), []
        for unit, pages in enumerate(units):
            columns = [[p for p, _ in pages], [t for _, t in pages], list(range(len(pages)))]
            with work.create(pages_name(unit)) as file:
                stored = ArrowFile(pages_name(unit), file, repeats.IDENTITY_COLUMNS)
                stored.append(columns)
                entry = stored.close()
            counts = NOTHING.model_copy(update={"pages": len(pages)})
            reports.append(UnitReport(unit=unit, counts=counts, shards=[], articles=[], pages=entry, dead_letters=[]))
        found = find_repeats(work, reports)
    every = [(page_id, time, unit, at) for unit, pages in enumerate(units) for at, (page_id, time) in enumerate(pages)]
    newest = {max(p for p in every if p[0] == page_id) for page_id in {p[0] for p in every}}
    expected = {(unit, at) for page_id, time, unit, at in every if (page_id, time, unit, at) not in newest}
    assert {(unit, at) for unit, positions in found.items() for at in positions.tolist()} == expected
    assert all(positions.tolist() == sorted(positions.tolist()) for positions in found.values())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ltgwiki-20170901-pages-articles.xml.bz2", "ltgwiki-20170901-pages-meta-current.xml.bz2"),
        ("ltgwiki-20170901-pages-articles.xml.bz2", "ltgwiki-20171001-pages-articles.xml.bz2"),
        ("ltgwiki-20170901-pages-articles1.xml-p1p10.bz2", "ltgwiki-latest-pages-articles2.xml-p11p20.bz2"),
    ],
)
def test_two_dumps_of_one_wiki_in_a_folder_are_refused_by_name(tmp_path: Path, one: str, other: str) -> None:
    for name in (one, other):
        make_dump(tmp_path / name, [dumps.Page(1, "A", "a")])
    with pytest.raises(UsageError, match=re.escape(f"{one} and {other} are two dumps of the same pages")):
        open_source(SourceSettings(path=str(tmp_path), unit_bytes=1000))


def test_a_file_beside_a_copy_of_itself_is_refused_by_name(tmp_path: Path) -> None:
    for name in ("a.xml", "b.xml"):
        make_dump(tmp_path / name, [dumps.Page(1, "A", "a")])
    with pytest.raises(RunError, match=r"a\.xml and b\.xml are the same file; keep one of them"):
        open_source(SourceSettings(path=str(tmp_path), unit_bytes=1000))


def test_the_parts_of_one_dump_are_one_source(tmp_path: Path) -> None:
    for number in (1, 2):
        name = f"ltgwiki-20170901-pages-articles{number}.xml-p{number}p{number}.bz2"
        make_dump(tmp_path / name, [dumps.Page(number, f"T{number}", "a")])
    assert [page.page_id for page in pages_of(tmp_path)] == [1, 2]
