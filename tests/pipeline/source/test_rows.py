"""Columns may have other names, and some may be missing: in Parquet and JSON lines alike."""

import datetime
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.articles import Article, DeadLetter
from pipeline.settings import SourceSettings
from pipeline.source import open_mixture
from tests.helpers.dumps import Page, make_dump
from tests.helpers.sources import opened, pages_of
from wikilm.errors import RunError, UsageError

BOTH = pytest.mark.parametrize("name", ["a.parquet", "a.jsonl"])


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def articles(path: Path, columns: dict[str, str]) -> list[Article]:
    found = pages_of(path, columns=columns)
    assert all(isinstance(page, Article) for page in found), found
    return found  # type: ignore[return-value]


@BOTH
def test_columns_of_any_name_hold_the_articles(tmp_path: Path, name: str) -> None:
    row = {"Page ID": 0, "#": "Ant", "content": "a", "text": "other", "rev": 7, "when": "2024-01-31T23:59:59Z"}
    row["link"] = "https://lv.wikipedia.org/wiki/Skudra"
    columns = {"id": "Page ID", "title": "#", "text": "content", "revision": "rev", "timestamp": "when", "url": "link"}
    path = write(tmp_path / name, [row])
    [found] = articles(path, columns)
    assert (found.page_id, found.title, found.text) == (0, "Ant", "a")
    assert (found.revision_id, found.timestamp) == (7, 20240131235959)
    assert opened(path, columns=columns).site.language == "lv"


@BOTH
def test_without_a_column_of_titles_an_article_has_the_empty_one(tmp_path: Path, name: str) -> None:
    [one, two] = articles(write(tmp_path / name, [{"id": 1.0, "text": "a"}, {"id": 2.0, "text": "b"}]), {})
    assert [(one.page_id, one.title), (two.page_id, two.title)] == [(1, ""), (2, "")]


@BOTH
@pytest.mark.parametrize(
    ("columns", "missing"),
    [({}, "id"), ({"id": "key"}, "text"), ({"id": "key", "text": "content", "title": "name"}, "title")],
)
def test_a_column_that_is_named_or_needed_and_not_there_is_told_with_those_that_are(
    tmp_path: Path, name: str, columns: dict[str, str], missing: str
) -> None:
    path = write(tmp_path / name, [{"key": 1, "content": "a"}])
    with pytest.raises(RunError) as caught:
        opened(path, columns=columns)
    wanted = columns.get(missing, missing)
    assert str(caught.value) == (
        f"{path}: needs one column {wanted!r}; its columns are key, content; --columns {missing}=NAME says which one "
        f"holds the {missing}"
    )


@BOTH
def test_a_row_without_a_value_is_a_dead_letter_that_says_which(tmp_path: Path, name: str) -> None:
    rows = [{"id": 1, "title": "A", "text": "a"}, {"id": 2, "title": None, "text": "b"}]
    rows += [{"id": 3, "title": "C", "text": None}, {"id": None, "title": "D", "text": "d"}]
    _, *dead = pages_of(write(tmp_path / name, rows))
    errors = [page.error for page in dead if isinstance(page, DeadLetter)]
    assert errors == ["the row has no title", "the row has no text", "the row has no id"]


@BOTH
@pytest.mark.parametrize(
    ("number", "why"),
    [
        (1.5, "'1.5', not a whole number of 63 bits, from 0 up"),
        (-1.0, "'-1', not a whole number of 63 bits, from 0 up"),
        (float(2**53), "9007199254740992, which a float of 64 bits cannot tell from others next to it"),
        (1e300, "'1e+300', not a whole number of 63 bits, from 0 up"),
    ],
)
@pytest.mark.parametrize("what", ["id", "revision"])
def test_a_float_that_may_stand_for_another_number_is_no_id(
    tmp_path: Path, name: str, what: str, number: float, why: str
) -> None:
    rows = [{"id": float(n), "revision": 1.0, "text": "a"} for n in (1, 2, 3)]
    rows[1][what] = number
    one, dead, three = pages_of(write(tmp_path / name, rows), columns={"revision": "revision"})
    assert isinstance(dead, DeadLetter)
    assert dead.error == f"the {what} is {why}"
    assert [one.page_id, three.page_id] == [1, 3]


@pytest.mark.parametrize(("kind", "bits", "first"), [(pa.float32(), 32, 2**24), (pa.float16(), 16, 2**11)])
@pytest.mark.parametrize("what", ["id", "revision"])
def test_two_numbers_that_a_short_float_cannot_tell_apart_are_no_ids(
    tmp_path: Path, kind: pa.DataType, bits: int, first: int, what: str
) -> None:
    numbers = pa.array([first - 2, first - 1, first, first + 1]).cast(pa.float64()).cast(kind)  # the last two are one
    columns = {"id": pa.array([1, 2, 3, 4]), "revision": pa.array([1, 2, 3, 4]), "text": ["a"] * 4, what: numbers}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    *exact, one, other = pages_of(tmp_path / "a.parquet", columns={"revision": "revision"})
    assert [page.page_id if what == "id" else page.revision_id for page in exact] == [first - 2, first - 1]
    for page in (one, other):
        assert isinstance(page, DeadLetter)
        assert page.error == f"the {what} is {first}, which a float of {bits} bits cannot tell from others next to it"


@BOTH
@pytest.mark.parametrize(
    ("moment", "timestamp"),
    [
        ("2024-01-31", 20240131000000),
        ("2024-01-31 23:59:59.999", 20240131235959),
        ("2024-02-01T01:59:59+02:00", 20240131235959),
        (None, 0),
    ],
)
def test_a_time_is_of_iso_8601_and_of_utc_unless_it_says_otherwise(
    tmp_path: Path, name: str, moment: str | None, timestamp: int
) -> None:
    rows = [{"id": 1, "text": "a", "timestamp": moment}, {"id": 2, "text": "a", "timestamp": "2024-01-01"}]
    found = articles(write(tmp_path / name, rows), {"timestamp": "timestamp"})
    assert [page.timestamp for page in found] == [timestamp, 20240101000000]


def test_times_of_parquet_of_any_unit_and_zone_are_of_utc(tmp_path: Path) -> None:
    moment = datetime.datetime(2024, 1, 31, 23, 59, 59, tzinfo=datetime.UTC)
    kinds = [pa.timestamp(unit, zone) for unit in ("s", "ms", "us", "ns") for zone in ("UTC", "Asia/Tokyo")]
    for kind in [*kinds, pa.timestamp("ns")]:
        stored = pa.array([moment if kind.tz else moment.replace(tzinfo=None)], kind)
        pq.write_table(pa.table({"id": [1], "text": ["a"], "timestamp": stored}), tmp_path / "a.parquet")
        [found] = articles(tmp_path / "a.parquet", {"timestamp": "timestamp"})
        assert found.timestamp == 20240131235959


@pytest.mark.parametrize("unit", ["ms", "us"])
@pytest.mark.parametrize("zone", [None, "UTC", "Mars/Olympus"])
@pytest.mark.parametrize("what", ["id", "text", "timestamp"])
def test_a_time_that_no_calendar_has_costs_its_row(tmp_path: Path, unit: str, zone: str | None, what: str) -> None:
    moments = pa.array([2**62, -(2**62), 0], pa.timestamp(unit, zone))  # PostgreSQL writes such for "infinity"
    table = {"id": pa.array([1, 2, 3]), "text": ["a"] * 3, "timestamp": ["2024-01-01"] * 3, what: moments}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    *odd, last = pages_of(tmp_path / "a.parquet", columns={"timestamp": "timestamp"})
    for page in odd:
        assert isinstance(page, DeadLetter)
        assert page.error == f"the {what} is a time beyond the years 1 to 9999"
    assert isinstance(last, Article) == (what == "timestamp")
    assert what != "timestamp" or last.timestamp == 19700101000000


@BOTH
def test_a_time_that_is_none_costs_its_row(tmp_path: Path, name: str) -> None:
    rows = [{"id": 1, "text": "a", "timestamp": "yesterday"}, {"id": 2, "text": "a", "timestamp": "2024-01-01"}]
    dead, alive = pages_of(write(tmp_path / name, rows), columns={"timestamp": "timestamp"})
    assert isinstance(dead, DeadLetter)
    assert dead.error.startswith("the timestamp is 'yesterday', no date and time")
    assert isinstance(alive, Article)


def test_a_dump_has_no_columns_to_name(tmp_path: Path) -> None:
    path = make_dump(tmp_path / "a.xml", [Page(1, "A", "a")])
    settings = SourceSettings(path=str(path), unit_bytes=1, columns={"text": "content"})
    with pytest.raises(UsageError, match=r"a\.xml: a dump has no columns; leave --columns \(source\.columns\) out$"):
        open_mixture(settings)


def test_the_order_in_which_columns_are_named_is_not_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"a": 1, "b": "b"}])
    one, other = (
        opened(path, columns=columns).limits for columns in ({"id": "a", "text": "b"}, {"text": "b", "id": "a"})
    )
    assert one.model_dump_json() == other.model_dump_json()
    assert opened(write(path, [{"id": 1, "text": "b"}])).limits.columns is None
