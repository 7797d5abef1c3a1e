"""Rows of Parquet files are articles, whatever the type of their ids; a bad row costs itself, a bad file the run."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.articles.article import Article, DeadLetter
from pipeline.articles.site import Site
from pipeline.prose.cleaner import Cleaner
from pipeline.source.parquet import _one_by_one, read_columns
from pipeline.source.rows import ColumnNames
from tests.helpers.sources import opened, pages_of
from wikilm.errors import RunError, UsageError


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


def test_a_title_that_is_too_large_is_a_dead_letter_without_it(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2], "title": ["T" * 4097, "T" * 4096], "text": ["one", "two"]})
    pq.write_table(table, tmp_path / "a.parquet")
    source = opened(tmp_path / "a.parquet", max_page_bytes=4096)
    dead, alive = [page for unit in source.units for page in unit.pages(source.site)]
    assert isinstance(dead, DeadLetter)
    assert (dead.page_id, dead.title) == (1, "")
    assert dead.error == "the title has 4097 bytes, more than source.max_page_bytes = 4096"
    assert isinstance(alive, Article)


@pytest.mark.parametrize("ids", [["12", "25", "39"], [12, 25, 39]])
def test_ids_are_strings_or_numbers(tmp_path: Path, ids: list[object]) -> None:
    source = opened(write(tmp_path / "a.parquet", ids, ["one", "two\nlines", ""]))
    found = [page for unit in source.units for page in unit.pages(source.site)]
    assert [(p.page_id, p.title, p.text) for p in found if isinstance(p, Article)] == [
        (12, "T12", "one"), (25, "T25", "two\nlines"), (39, "T39", ""),
    ]  # fmt: skip
    assert not source.is_wikitext
    assert source.entry.kind == "parquet"


def test_a_text_that_is_too_large_is_a_dead_letter_that_names_the_setting(tmp_path: Path) -> None:
    source = opened(write(tmp_path / "a.parquet", [1, 2, 3], ["é" * 2048, "é" * 2048 + "x", ""]), max_page_bytes=4096)
    found = [page for unit in source.units for page in unit.pages(source.site)]
    assert [type(page) for page in found] == [Article, DeadLetter, Article]
    assert "4097 bytes, more than source.max_page_bytes = 4096" in found[1].error  # type: ignore[union-attr]
    assert (found[1].page_id, found[1].title) == (2, "T2")


@pytest.mark.parametrize(
    ("urls", "site"),
    [
        (
            ["https://lv.wikipedia.org/wiki/Skudra", "x"],
            Site(language="lv", base="https://lv.wikipedia.org/wiki/Skudra"),
        ),
        (["http://example.org/", "x"], Site(base="http://example.org/")),
        (["https://user:secret@lv.wikipedia.org/wiki/A", "x"], Site()),
        (["file:///etc/passwd", "x"], Site()),
        ([None, "https://lv.wikipedia.org/wiki/A"], Site()),
        ([1, 2], Site()),
        (None, Site()),
    ],
)
def test_the_wiki_is_that_of_the_first_address_if_it_is_one(
    tmp_path: Path, urls: list[object] | None, site: Site
) -> None:
    columns = {"id": [1, 2], "title": ["A", "B"], "text": ["a", "b"], **({"url": urls} if urls else {})}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    assert opened(tmp_path / "a.parquet").site == site


def test_plain_text_is_not_taken_for_wikitext() -> None:
    article = Article(1, 0, "T", "a '' [[b]]\r\n{{c}}\x00 ")
    assert Cleaner(Site(), False, 60.0).prose(article) == "a '' [[b]]\n{{c}} "


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
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
    found = [page.page_id for unit in source.units for page in unit.pages(source.site)]
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


ANY_ID = st.none() | st.sampled_from(
    ["1", "007", "0", "-1", "+1", "0x1", " 1", "1\n", "٣", "9" * 19, "9" * 18, "", "1e3"]
)
ANY_TITLE = st.none() | st.sampled_from(["T", " T", "T\u3000", "", " ", "\u200b", "é", "T\x00"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    rows=st.lists(st.tuples(ANY_ID, ANY_TITLE, st.none() | st.text(max_size=3)), min_size=1, max_size=6),
    kind=st.sampled_from([pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.binary()]),
)
def test_rows_read_as_columns_are_those_read_one_by_one(
    tmp_path: Path, rows: list[tuple[object, ...]], kind: object
) -> None:
    columns = dict(zip(("id", "title", "text"), zip(*rows, strict=True), strict=True))
    table = pa.table({"id": columns["id"], **{n: pa.array(columns[n]).cast(kind) for n in ("title", "text")}})
    pq.write_table(table, tmp_path / "a.parquet")
    found = pages_of(tmp_path / "a.parquet")
    [batch] = pq.read_table(tmp_path / "a.parquet").combine_chunks().to_batches()
    names = ColumnNames("id", "text", "title")
    assert found == _one_by_one(batch, names, "a.parquet, row group 0", 0, 10_000_000)


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint64(), pa.int64(), pa.float64(), pa.bool_()])
def test_numbers_of_any_type_are_ids_where_they_are_whole_and_of_63_bits_from_0_up(
    tmp_path: Path, kind: object
) -> None:
    numbers: list[object] = [0, -1, 1] if kind != pa.uint64() else [1, 2**63, 2**63 - 1]
    ids = pa.array(numbers).cast(kind) if kind != pa.uint64() else pa.array(numbers, kind)
    pq.write_table(
        pa.table({"id": ids, "title": ["a"] * 3, "text": ["b"] * 3}), tmp_path / "a.parquet", row_group_size=1
    )
    good = [isinstance(page, Article) for page in pages_of(tmp_path / "a.parquet")]
    assert good == ([False] * 3 if pa.types.is_boolean(kind) else [True, False, True])


def test_a_text_above_the_limit_is_a_dead_letter_and_no_other(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [1, 2, 3], ["é" * 5, "é" * 6, "x"], rows=3)
    [unit] = opened(path).units
    found = list(unit.parts[0].pages(Site(), 10))
    assert [type(page) for page in found] == [Article, DeadLetter, Article]
    assert "the text has 12 bytes, more than source.max_page_bytes = 10" in found[1].error  # type: ignore[union-attr]


def test_text_that_is_not_utf_8_costs_its_row(tmp_path: Path) -> None:
    texts = pa.array([b"good", b"\xff\xfe", b"fine"])
    column = pa.StringArray.from_buffers(3, *texts.buffers()[1:])
    pq.write_table(pa.table({"id": ["1", "2", "3"], "title": ["a", "b", "c"], "text": column}), tmp_path / "a.parquet")
    found = pages_of(tmp_path / "a.parquet")
    assert [(type(page), page.page_id) for page in found] == [(Article, 1), (DeadLetter, 2), (Article, 3)]


def test_a_row_group_of_any_size_is_read_in_bounded_memory(tmp_path: Path) -> None:
    count = 4000
    texts = [f"{number} " * 2500 for number in range(10_000, 10_000 + count)]
    table = pa.table({"id": list(range(1, count + 1)), "title": ["T"] * count, "text": texts})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=count, compression="none", use_dictionary=False)
    del table, texts
    [unit] = opened(tmp_path / "a.parquet").units
    before, most, rows = pa.total_allocated_bytes(), 0, 0
    for part in unit.parts:
        for found in read_columns(part, 10_000_000):  # type: ignore[arg-type]
            most = max(most, pa.total_allocated_bytes() - before)
            rows += len(found.page_ids)  # type: ignore[union-attr]
    assert rows == count
    assert unit.bytes > 55_000_000
    assert most < 25_000_000


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
    with pytest.raises(UsageError, match=r"no dump, \.parquet or \.jsonl file"):
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
        opened(tmp_path)
    assert opened(tmp_path / "de.parquet").site.language == "de"
