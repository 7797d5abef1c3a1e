"""The index of a multistream dump is found by name, and one that does not fit its dump is refused."""

from pathlib import Path

import pytest

from pipeline.source.dump_index import index_name
from tests.helpers.dumps import index_of, make_dump, read_index, write_index
from tests.helpers.sources import PAGES, pages_of, refusal


@pytest.mark.parametrize(
    ("dump", "index"),
    [
        ("/d/xwiki-1-pages-articles-multistream.xml.bz2", "/d/xwiki-1-pages-articles-multistream-index.txt.bz2"),
        ("enwiki-1-multistream7.xml-p10p99.bz2", "enwiki-1-multistream-index7.txt-p10p99.bz2"),
        ("xwiki-pages-articles.xml.bz2", None),
        ("x-multistream-index.txt.bz2", None),
        ("x-multistream.xml", None),
    ],
)
def test_the_index_has_the_name_that_dumps_are_served_with(dump: str, index: str | None) -> None:
    assert index_name(dump) == index


def test_a_missing_index_is_named_with_the_way_out(tmp_path: Path) -> None:
    path = make_dump(tmp_path / "a-multistream.xml.bz2", PAGES)
    index_of(path).unlink()
    assert f"{index_of(path)}: no such file" in refusal(path)
    assert pages_of(path.rename(tmp_path / "a.xml.bz2"))  # the way out that it names


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
