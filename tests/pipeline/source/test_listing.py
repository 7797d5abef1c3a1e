"""A source is files of one kind and one wiki, in the order of their pages; a folder of anything else is refused."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.articles.article import Article
from pipeline.settings import SourceSettings
from pipeline.source.listing import find_files, kind_of
from pipeline.source.plan import Source
from tests.helpers.dumps import Page, make_dump
from tests.helpers.sources import opened, pages_of
from wikilm.errors import RunError, UsageError

PAGES = [Page(number, f"T{number}", f"A story of {number} words. " * (number % 7 + 3)) for number in range(1, 41)]


def ids(source: Source) -> list[int]:
    return [page.page_id for unit in source.units for page in unit.pages(source.site) if isinstance(page, Article)]


@pytest.mark.parametrize("kind", ["xml.bz2", "xml.gz", "xml"])
def test_files_that_cannot_be_split_are_a_unit_each_in_the_order_of_their_numbers(tmp_path: Path, kind: str) -> None:
    for number in (10, 2, 1):
        start = {1: 0, 2: 10, 10: 20}[number]
        make_dump(tmp_path / f"x-pages-articles{number}.{kind}", PAGES[start : start + 10])
    (tmp_path / "md5sums.txt").write_text("x")
    source = opened(tmp_path, 500)
    assert ids(source) == list(range(1, 31))
    assert [len(unit.parts) for unit in source.units] == [1, 1, 1]
    assert [file.name for file in source.entry.files] == [f"x-pages-articles{number}.{kind}" for number in (1, 2, 10)]


def test_the_units_of_several_multistream_files_follow_one_another(tmp_path: Path) -> None:
    for number, name in enumerate(["p1p10", "p11p20", "p21p99"]):
        made = make_dump(tmp_path / "a-multistream.xml.bz2", PAGES[number * 10 : number * 10 + 10])
        made.rename(tmp_path / f"x-multistream{number + 1}.xml-{name}.bz2")
        made.with_name("a-multistream-index.txt.bz2").rename(
            tmp_path / f"x-multistream-index{number + 1}.txt-{name}.bz2"
        )
    source = opened(tmp_path, 500)
    assert ids(source) == list(range(1, 31))
    assert (source.entry.kind, len(source.units)) == ("multistream", 15)


def test_files_behind_links_are_read_each_once_however_the_links_turn(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"disk{number}").mkdir()
        make_dump(tmp_path / f"disk{number}" / f"x-{number}.xml", PAGES[number * 10 : number * 10 + 10])
    source = tmp_path / "source"
    (source / "a").mkdir(parents=True)
    (source / "a" / "up").symlink_to("..")
    for link, target in {"b": "../disk1", "c": "../disk1", "d.xml": "../disk2/x-2.xml"}.items():
        (source / link).symlink_to(target)
    found = opened(source, 500)
    assert [file.name for file in found.entry.files] == ["b/x-1.xml", "d.xml"]
    assert ids(found) == [page.id for page in PAGES[10:30]]


@pytest.mark.parametrize("what", ["a link to nothing", "a link to itself", "a pipe", "a folder that is locked"])
def test_what_a_folder_has_and_cannot_be_read_is_not_passed_over(public: Path, what: str) -> None:
    make_dump(public / "x-1.xml", PAGES[:10])
    other = public / "x-2.xml"
    if what == "a pipe":
        os.mkfifo(other)
    elif what == "a folder that is locked":
        other.mkdir(mode=0)
    else:
        other.symlink_to("nothing" if what == "a link to nothing" else other.name)
    with unprivileged(), pytest.raises(UsageError, match=r"x-2\.xml:? (?:is no file that can be read|cannot read it)"):
        opened(public, 500)
    if what == "a pipe":
        with pytest.raises(UsageError, match="is neither a file nor a folder"):
            opened(other, 500)


def test_what_may_not_be_read_is_no_file_that_is_not_there(public: Path) -> None:
    path = make_dump(public / "x.xml", PAGES[:10])
    path.chmod(0)
    with unprivileged(), pytest.raises(RunError, match=r"x\.xml: cannot read it: Permission denied"):
        opened(path, 500)
    public.chmod(0)
    with unprivileged(), pytest.raises(UsageError, match=r"x\.xml: cannot read it: Permission denied"):
        opened(path, 500)
    public.chmod(0o755)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody may look into, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Nobody's rights, where the tests run as root."""
    user = os.geteuid()
    if user:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_folder_of_several_kinds_wikis_or_twice_the_same_pages_is_refused(tmp_path: Path) -> None:
    make_dump(tmp_path / "x-p1p20.xml.bz2", PAGES[:20])
    other = make_dump(tmp_path / "x-p20p40.xml.bz2", PAGES[20:], database="ywiki")
    with pytest.raises(UsageError, match="hold the same pages"):
        opened(tmp_path, 500)
    other = other.rename(tmp_path / "x-p21p40.xml.bz2")
    with pytest.raises(RunError, match=r"is of 'ywiki', but x-p1p20\.xml\.bz2 of 'miniwiki'"):
        opened(tmp_path, 500)
    other.rename(tmp_path / "x.xml.bz2")
    with pytest.raises(UsageError, match="holds a whole dump and parts of one"):
        opened(tmp_path, 500)
    (tmp_path / "a.parquet").touch()
    with pytest.raises(UsageError, match="files of several kinds"):
        opened(tmp_path, 500)


def test_a_name_that_no_manifest_can_hold_is_refused(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"a\xff.xml")).write_text("<mediawiki/>")
    with pytest.raises(UsageError, match=r"the name of 'a\\udcff.xml' is no UTF-8; rename it"):
        find_files(SourceSettings(path=str(tmp_path), unit_bytes=1))


def test_a_local_file_that_grows_after_the_plan_is_refused(tmp_path: Path) -> None:
    source = opened(make_dump(tmp_path / "a.xml", PAGES), 500)
    (tmp_path / "a.xml").write_text("more", encoding="ascii")
    with pytest.raises(RunError, match=r"a\.xml: has changed since the run began"):
        ids(source)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a-multistream.xml.bz2", "multistream"),
        ("a-pages-articles.xml.bz2", "xml.bz2"),
        ("a.xml-p1p9.bz2", "xml.bz2"),
        ("a.xml.gz", "xml.gz"),
        ("A.XML", "xml"),
        ("a.xml.zst", "xml.zst"),
        ("a.xml-p1p9.xz", "xml.xz"),
        ("a.parquet", "parquet"),
        ("a.jsonl", "jsonl"),
        ("a.NDJSON", "jsonl"),
        ("a.jsonl.gz", "jsonl.gz"),
        ("a.ndjson.zst", "jsonl.zst"),
        ("c4-train.00000.json.gz", "jsonl.gz"),
    ],
)
def test_the_kind_of_a_source_is_in_its_name(name: str, kind: str) -> None:
    assert kind_of(name) == kind


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
        make_dump(tmp_path / name, [Page(1, "A", "a")])
    with pytest.raises(UsageError, match=re.escape(f"{one} and {other} are two dumps of the same pages")):
        opened(tmp_path)


def test_a_file_beside_a_copy_of_itself_is_refused_by_name(tmp_path: Path) -> None:
    for name in ("a.xml", "b.xml"):
        make_dump(tmp_path / name, [Page(1, "A", "a")])
    with pytest.raises(RunError, match=r"a\.xml and b\.xml are the same file; keep one of them"):
        opened(tmp_path)


def test_the_parts_of_one_dump_are_one_source(tmp_path: Path) -> None:
    for number in (1, 2):
        name = f"ltgwiki-20170901-pages-articles{number}.xml-p{number}p{number}.bz2"
        make_dump(tmp_path / name, [Page(number, f"T{number}", "a")])
    assert [page.page_id for page in pages_of(tmp_path)] == [1, 2]
