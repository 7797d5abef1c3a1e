"""Rows of Parquet files are articles, whatever the type of their ids; a bad row costs itself, a bad file the run."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.article import Article, DeadLetter
from pipeline.clean_text import text_of
from pipeline.command import RunError, UsageError
from pipeline.settings import SourceSettings
from pipeline.site import Site
from pipeline.source import Source, open_source, read_unit


def write(path: Path, ids: list[object], texts: list[str | None], rows: int = 2) -> Path:
    table = pa.table(
        {
            "id": pa.array(ids),
            "url": ["http://example.org/"] * len(ids),
            "title": [f"T{number}" for number in ids],
            "text": pa.array(texts, pa.string()),
        }
    )
    pq.write_table(table, path, row_group_size=rows)
    return path


def opened(path: Path, unit_bytes: int = 1) -> Source:
    return open_source(SourceSettings(path=str(path), unit_bytes=unit_bytes))


def pages_of(path: Path, unit_bytes: int = 1) -> list[Article | DeadLetter]:
    source = opened(path, unit_bytes)
    return [page for unit in source.units for page in read_unit(unit, source.site)]  # type: ignore[misc]


@pytest.mark.parametrize("ids", [["12", "25", "39"], [12, 25, 39]])
def test_ids_are_strings_or_numbers(tmp_path: Path, ids: list[object]) -> None:
    source = opened(write(tmp_path / "a.parquet", ids, ["one", "two\nlines", ""]))
    found = [page for unit in source.units for page in read_unit(unit, source.site)]
    assert [(p.page_id, p.title, p.text) for p in found if isinstance(p, Article)] == [
        (12, "T12", "one"), (25, "T25", "two\nlines"), (39, "T39", ""),
    ]  # fmt: skip
    assert not source.is_wikitext
    assert source.entry.kind == "parquet"


def test_plain_text_is_not_taken_for_wikitext() -> None:
    article = Article(1, 0, "T", "a '' [[b]]\r\n{{c}}\x00 ")
    assert text_of(article, Site(), is_wikitext=False) == "a '' [[b]]\n{{c}} "


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=4), rows=st.integers(1, 4), unit_bytes=st.integers(1, 4000)
)
def test_units_cover_every_row_once_in_order_and_may_span_files(
    tmp_path: Path, sizes: list[int], rows: int, unit_bytes: int
) -> None:
    folder = tmp_path / "wiki"
    for old in folder.glob("*"):
        old.unlink()
    folder.mkdir(exist_ok=True)
    first = 1
    for number, size in enumerate(sizes):
        ids: list[object] = list(range(first, first + size))
        write(folder / f"part-{number:05d}.parquet", ids, [f"text {i}" for i in ids], rows)
        first += size
    source = opened(folder, unit_bytes)
    found = [page.page_id for unit in source.units for page in read_unit(unit, source.site)]
    assert found == list(range(1, first))
    groups = sum(-(-size // rows) for size in sizes)
    assert len(source.units) == groups if unit_bytes == 1 else len(source.units) <= groups


def test_a_row_without_id_title_or_text_is_a_dead_letter(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": ["1", None, "x", "-3", "5", "6", "٣", "8"],
            "title": ["A", "B", "C", "D", None, " ", "G", "H"],
            "text": ["a", "b", "c", "d", "e", "f", "g", None],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=3)
    found = pages_of(tmp_path / "a.parquet")
    assert [isinstance(page, Article) for page in found] == [True] + [False] * 7
    dead = [page for page in found if isinstance(page, DeadLetter)]
    assert dead[-1].where == "a.parquet, row group 2, row 1"
    assert [page.page_id for page in dead] == [None, None, None, 5, 6, None, 8]


def test_missing_columns_are_named_with_those_there_are(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1], "body": ["x"], "title": ["t"]}), tmp_path / "a.parquet")
    with pytest.raises(RunError, match=r"a\.parquet: needs one column 'text'; its columns are id, body, title"):
        opened(tmp_path / "a.parquet")


def test_a_cut_or_foreign_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [1, 2, 3], ["x" * 100] * 3)
    whole = path.read_bytes()
    for content in (whole[:-20], whole[: len(whole) // 2], whole[:3], b"", b"hello, world" * 10):
        path.write_bytes(content)
        with pytest.raises(RunError, match=r"a\.parquet"):
            pages_of(path)


def test_a_damaged_row_group_is_refused_while_reading(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [1, 2, 3], ["abc" * 100] * 3)
    whole = bytearray(path.read_bytes())
    whole[10:200] = b"\xff" * 190
    path.write_bytes(whole)
    with pytest.raises(RunError, match=r"a\.parquet: damaged"):
        pages_of(path)


def test_a_folder_without_parquet_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / ".hidden.parquet").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"no \.parquet file"):
        opened(tmp_path)


def test_the_checksum_of_a_folder_is_that_of_its_sha256sum_listing(tmp_path: Path) -> None:
    folder = tmp_path / "wiki"
    (folder / "sub").mkdir(parents=True)
    paths = [write(folder / "a.parquet", [1], ["x"]), write(folder / "sub" / "b.parquet", [2], ["y"])]
    listing = "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n" for path in paths
    )
    assert opened(folder).entry.checksum == "sha256:" + hashlib.sha256(listing.encode()).hexdigest()
    assert opened(paths[0]).entry.checksum == "sha256:" + hashlib.sha256(paths[0].read_bytes()).hexdigest()
