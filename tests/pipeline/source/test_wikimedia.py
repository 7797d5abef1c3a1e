"""A dump by name is what its own listings call finished, file by file; everything in them is hostile."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.articles.article import Article
from pipeline.settings import SourceSettings
from pipeline.source.listing import find_files, kind_of, natural
from pipeline.source.plan import Source, open_source
from pipeline.source.wikimedia import CONTENT, NAME, links
from pipeline.storage.reading import check_address
from tests.helpers import ROOT
from tests.helpers.dumps import Page, index_of, make_dump
from tests.helpers.http_server import Server, http_server
from wikilm.errors import RunError, UsageError

PAGES = [Page(number, f"T{number}", f"text {number}") for number in range(1, 9)]
DONE = "articlesmultistreamdump"


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "dumps").mkdir()
    with http_server(tmp_path) as server:
        server.folder = tmp_path
        yield server


def settings(mirror: Server, name: str) -> SourceSettings:
    return SourceSettings(path=name, unit_bytes=1, contact="you@example.org", mirror=f"{mirror.url}/dumps/")


def opened(mirror: Server, name: str) -> Source:
    return open_source(settings(mirror, name))


def refusal(mirror: Server, name: str) -> str:
    with pytest.raises(RunError) as caught:
        opened(mirror, name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def ids(source: Source) -> list[int | None]:
    return [page.page_id for unit in source.units for page in unit.pages(source.site) if isinstance(page, Article)]


def classic(
    mirror: Server, date: str, status: str = "done", parts: int = 1, job: str = DONE, strange: object = None
) -> None:
    """A dump in the classic layout."""
    folder = mirror.folder / "dumps" / "xwiki" / date
    folder.mkdir(parents=True)
    files: dict[str, object] = {}
    for number in range(parts):
        some = PAGES[number * len(PAGES) // parts : (number + 1) * len(PAGES) // parts]
        whole = make_dump(folder / "tmp-multistream.xml.bz2", some)
        tag, pages = (f"{number + 1}", f"-p{some[0].id}p{some[-1].id}") if parts > 1 else ("", "")
        start = f"xwiki-{date}-pages-articles-multistream"
        renamed = {whole: f"{start}{tag}.xml{pages}.bz2", index_of(whole): f"{start}-index{tag}.txt{pages}.bz2"}
        for old, name in renamed.items():
            data = old.rename(folder / name).read_bytes()
            sha1 = hashlib.sha1(data).hexdigest()
            files[name] = {"size": len(data), "url": f"/xwiki/{date}/{name}", "md5": "0" * 32, "sha1": sha1}
    if strange:
        files |= strange  # type: ignore[operator]
    jobs = {job: {"status": status, "updated": "2026-01-02 00:00:00", "files": files}, "sitestable": {"status": "done"}}
    (folder / "dumpstatus.json").write_text(json.dumps({"version": "0.8", "jobs": jobs}))


def content(mirror: Server, date: str, parts: int = 2, without: str = "", more: str = "") -> None:
    """A content export."""
    folder = mirror.folder / "dumps" / CONTENT / "xwiki" / date / "xml" / "bzip2"
    folder.mkdir(parents=True)
    sums = ""
    for number in range(parts):
        some = PAGES[number * len(PAGES) // parts : (number + 1) * len(PAGES) // parts]
        path = make_dump(folder / f"xwiki-{date}-p{some[0].id}p{some[-1].id}.xml.bz2", some)
        sums += f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
    for name, text in (("_SUCCESS", ""), ("SHA256SUMS", sums + more)):
        if name != without:
            (folder / name).write_text(text)


def test_a_finished_classic_dump_is_read_with_the_size_and_sha1_that_its_status_names(mirror: Server) -> None:
    classic(mirror, "20260101")
    source = opened(mirror, "wikimedia:xwiki/20260101")
    assert ids(source) == [page.id for page in PAGES]
    assert len(source.units) == 4
    [file] = source.entry.files
    stored = (mirror.folder / "dumps/xwiki/20260101" / file.name).read_bytes()
    assert (file.name, file.bytes, file.checksum) == (
        "xwiki-20260101-pages-articles-multistream.xml.bz2", len(stored), "sha1:" + hashlib.sha1(stored).hexdigest(),
    )  # fmt: skip
    assert (source.entry.name, source.entry.kind, source.entry.checksum) == (file.name, "multistream", file.checksum)


def test_part_files_are_read_in_the_order_of_their_pages(mirror: Server) -> None:
    classic(mirror, "20260101", parts=4)
    content(mirror, "2026-02-01", parts=3)
    parts = opened(mirror, "wikimedia:xwiki/20260101")
    export = opened(mirror, "wikimedia:xwiki/2026-02-01")
    assert ids(parts) == ids(export) == [page.id for page in PAGES]
    assert [len(source.entry.files) for source in (parts, export)] == [4, 3]
    assert (export.entry.name, export.entry.kind, len(export.units)) == ("xwiki-20260201", "xml.bz2", 3)
    assert all(file.checksum.startswith("sha256:") for file in export.entry.files)


def test_latest_is_the_newest_that_is_finished(mirror: Server) -> None:
    classic(mirror, "20260101")
    classic(mirror, "20260201", status="in-progress")
    content(mirror, "2025-12-01")
    content(mirror, "2026-03-01", without="_SUCCESS")
    content(mirror, "2026-02-15", without="SHA256SUMS")
    assert "20260101" in opened(mirror, "wikimedia:xwiki/latest").entry.name
    content(mirror, "2026-01-01", parts=1)
    assert opened(mirror, "wikimedia:xwiki/latest").entry.kind == "multistream", "of one date, the one with an index"
    content(mirror, "2026-01-20")
    assert opened(mirror, "wikimedia:xwiki/latest").entry.name == "xwiki-20260120"


def test_a_date_of_the_newer_exports_may_be_written_either_way(mirror: Server) -> None:
    content(mirror, "2026-01-01")
    assert opened(mirror, "wikimedia:xwiki/20260101") == opened(mirror, "wikimedia:xwiki/2026-01-01")


def test_what_is_not_finished_is_told_with_what_was_found(mirror: Server) -> None:
    classic(mirror, "20260101", status="in-progress")
    content(mirror, "2026-01-01", without="_SUCCESS")
    line = refusal(mirror, "wikimedia:xwiki/20260101")
    assert f"/xwiki/20260101/: {DONE} is 'in-progress'" in line
    assert "/2026-01-01/: no _SUCCESS" in line
    assert "no dumpstatus.json" in refusal(mirror, "wikimedia:xwiki/20250101")
    assert "neither /nowiki/ nor" in refusal(mirror, "wikimedia:nowiki/latest")


@pytest.mark.parametrize("name", ["wikimedia:", "wikimedia:xwiki", "wikimedia:../a/latest", "wikimedia:X/20260101"])
def test_what_is_no_name_of_a_dump_is_wrong_usage(mirror: Server, name: str) -> None:
    with pytest.raises(UsageError, match="is not wikimedia:WIKI/DATE"):
        opened(mirror, name)
    assert mirror.requests == []


def test_a_contact_is_asked_for_before_any_server_is(mirror: Server) -> None:
    with pytest.raises(UsageError, match=r"source\.contact: .*--contact"):
        find_files(SourceSettings(path="wikimedia:xwiki/latest", unit_bytes=1, mirror=mirror.url))
    assert mirror.requests == []


@pytest.mark.parametrize(
    "name", ["../../a-multistream.xml.bz2", "http://evil.example/a-multistream.xml.bz2", "a/b-multistream.xml.bz2", ""]
)
def test_a_listing_cannot_name_files_elsewhere(mirror: Server, name: str) -> None:
    classic(mirror, "20260101", strange={name: {"size": 5, "sha1": "0" * 40}})
    assert "dumpstatus.json: is no status of a dump" in refusal(mirror, "wikimedia:xwiki/20260101")
    if name:
        content(mirror, "2026-02-01", more=f"{'0' * 64}  {name}\n")
        assert "SHA256SUMS: a line is no sha256 and file name" in refusal(mirror, "wikimedia:xwiki/2026-02-01")


def test_a_status_that_is_not_whole_is_refused(mirror: Server) -> None:
    classic(mirror, "20260101", strange={"y-multistream.xml.bz2": {"size": 5, "sha1": "0" * 40}})
    assert "has no y-multistream-index.txt.bz2" in refusal(mirror, "wikimedia:xwiki/20260101")
    status = mirror.folder / "dumps/xwiki/20260101/dumpstatus.json"
    for text in ("{", "[]", '{"jobs": 3}', "[" * 100_000, json.dumps({"jobs": {DONE: {"status": "done"}}})):
        status.write_text(text)
        assert "dumpstatus.json: " in refusal(mirror, "wikimedia:xwiki/20260101")


def test_a_file_of_another_size_than_its_listing_says_is_refused(mirror: Server) -> None:
    classic(mirror, "20260101")
    [path] = (mirror.folder / "dumps/xwiki/20260101").glob("*multistream.xml.bz2")
    path.write_bytes(path.read_bytes()[:-1])
    assert "where its listing says" in refusal(mirror, "wikimedia:xwiki/20260101")


@given(st.lists(st.text(st.sampled_from("abz019._-/:?#%\\ \"'<>&@"), max_size=12), max_size=5))
def test_links_lead_to_what_lies_right_in_the_folder_and_nowhere_else(names: list[str]) -> None:
    for name in links("".join(f'<A HREF="{name}">x</a>' for name in names)):
        inner = name.removesuffix("/")
        assert inner
        assert not set(inner) & set("/\\:?#%\"'<>&@ ")
        assert not inner.startswith(".")


def test_a_page_file_that_an_address_cannot_hold_as_it_is_named_is_refused_and_not_passed_over(mirror: Server) -> None:
    for name in ("a.jsonl", "b%20c.jsonl"):
        (mirror.folder / "rows" / unquote(name)).parent.mkdir(exist_ok=True)
        (mirror.folder / "rows" / unquote(name)).write_text('{"id": 1, "text": "a"}')
    line = refusal(mirror, f"{mirror.url}/rows/")
    assert "lists 'b c.jsonl'; rename it there" in line


@given(st.lists(st.integers(0, 10**6), unique=True, max_size=20))
def test_part_files_are_sorted_by_number(numbers: list[int]) -> None:
    names = sorted((f"x-multistream{number}.xml.bz2" for number in numbers), key=natural)
    assert names == [f"x-multistream{number}.xml.bz2" for number in sorted(numbers)]


def test_the_documentation_names_sources_that_are_understood() -> None:
    text = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    named = re.findall(r"--source (\S+?)[` ]", text)
    assert len(named) >= 8
    for source in named:
        if source.startswith("wikimedia:"):
            assert NAME.fullmatch(source)
        else:
            if "://" in source:
                check_address(source, "source.path", "you@example.org")
            assert kind_of(source) or source.endswith("/") or source.startswith("hf://datasets/")
