"""A plan has units of whole streams, all of them, as small data that reads the same anywhere."""

import pickle
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.articles.article import Article
from tests.helpers.dumps import Page, make_dump, read_index
from tests.helpers.sources import PAGES, opened
from wikilm.errors import UsageError

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
        assert len(sent) < 1000
        assert list(pickle.loads(sent).pages(pickle.loads(pickle.dumps(source.site)))) == list(unit.pages(source.site))


def test_the_plan_does_not_depend_on_the_folder_or_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_dump(tmp_path / "a-multistream.xml.bz2", PAGES)
    absolute = opened(tmp_path / "a-multistream.xml.bz2")
    monkeypatch.chdir(tmp_path)
    assert opened(Path("a-multistream.xml.bz2")) == absolute
    assert absolute.entry.name == "a-multistream.xml.bz2"


def test_unknown_names_and_missing_files_are_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    for path in (tmp_path / "a.txt", tmp_path / "none.xml.bz2"):
        with pytest.raises(UsageError, match=r"source\.path"):
            opened(path)
