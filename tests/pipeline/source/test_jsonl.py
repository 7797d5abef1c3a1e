"""Lines of JSON are articles, wherever a file is cut into parts; a bad line costs itself, a bad file the run."""

import gzip
import json
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.articles import Article, DeadLetter, Site
from pipeline.source.jsonl import split_lines
from tests.helpers.dumps import zstd
from tests.helpers.sources import opened, pages_of
from wikilm.errors import RunError, UsageError

SEVERAL = {"suppress_health_check": [HealthCheck.function_scoped_fixture], "deadline": None}


def line(page_id: object, text: object = "some text", **more: object) -> bytes:
    return json.dumps({"id": page_id, "text": text, **more}, ensure_ascii=False).encode()


def fates(path: Path, **more: int) -> list[int | str]:
    """The page id of each article, the error of each dead letter, in order."""
    return [page.error if isinstance(page, DeadLetter) else page.page_id for page in pages_of(path, **more)]  # type: ignore[misc]


def written(path: Path, *lines: bytes, end: bytes = b"\n") -> Path:
    path.write_bytes(b"".join(one + end for one in lines))
    return path


def test_a_line_is_an_article_with_the_title_text_and_wiki_that_it_says(tmp_path: Path) -> None:
    url = "https://lv.wikipedia.org/wiki/Skudra"
    path = written(tmp_path / "a.jsonl", line(0, "a\nb", title=" Ant ", url=url), line("7", "", title="Bee", x=[{}]))
    first, second = pages_of(path)
    assert first == Article(0, 0, "Ant", "a\nb", "a.jsonl, line at byte 0")
    assert second == Article(7, 0, "Bee", "", f"a.jsonl, line at byte {len(path.read_bytes().splitlines()[0]) + 1}")
    source = opened(path)
    assert (source.site, source.is_wikitext, source.entry.kind) == (Site(language="lv", base=url), False, "jsonl")


@settings(max_examples=40, **SEVERAL)
@given(
    lines=st.lists(
        st.sampled_from([b"", b" ", b"{", line(1), line(2, "\u00e9" * 30), line(3, "x" * 90), b"[" + b" " * 40 + b"]"]),
        min_size=1,
        max_size=12,
    ),
    end=st.sampled_from([b"\n", b"\r\n"]),
    unit_bytes=st.integers(1, 200),
    is_ended=st.booleans(),
)
def test_parts_of_any_size_hold_every_line_once_in_order(
    tmp_path: Path, lines: list[bytes], end: bytes, unit_bytes: int, is_ended: bool
) -> None:
    path = written(tmp_path / "a.jsonl", line(9), *lines, line(10), end=end)
    if not is_ended:
        path.write_bytes(path.read_bytes().rstrip())
    whole = pages_of(path, unit_bytes=10**6)
    assert pages_of(path, unit_bytes=unit_bytes) == whole
    assert len(whole) == 2 + sum(bool(one.strip()) for one in lines)
    packed = tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert fates(packed) == fates(path)
    assert len(opened(packed).units) == 1


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (b"{'id': 1}", "the line is no JSON: unexpected character, expected a string key at character 2"),
        (b'{"id": 1, "text": "a', "the line is no JSON: "),
        (b'{"id": 1, "text": "\xff"}', "the line is no JSON: str is not valid UTF-8"),
        (b'{"id": 1, "text": "\\ud800"}', "the line is no JSON: no low surrogate"),
        (b'{"id": NaN, "text": "a"}', "the line is no JSON: "),
        (b'{"id": 1e999, "text": "a"}', "the line is no JSON: "),
        (b'{"id": 1, "text": "a"} {"id": 2, "text": "b"}', "the line is no JSON: unexpected content"),
        (b'\xef\xbb\xbf{"id": 1, "text": "a"}', "the line is no JSON: "),  # not at the start of the file
        (b"[" * 5000, "the line is no JSON: depth limit exceeded"),
        (b"[1, 2]", "the line is no JSON object but an array"),
        (b'"id"', "the line is no JSON object but text"),
        (b"null", "the line is no JSON object but null"),
        (b'{"text": "a"}', "the row has no id"),
        (b'{"id": null, "text": "a"}', "the row has no id"),
        (b'{"id": 1}', "the row has no text"),
        (b'{"id": 1, "text": ["a"]}', "the text is list, not text"),
        (b'{"id": true, "text": "a"}', "the id is 'True', not a whole number of 63 bits, from 0 up"),
        (b'{"id": -1, "text": "a"}', "the id is '-1', "),
        (b'{"id": 1.5, "text": "a"}', "the id is '1.5', "),
        (b'{"id": 9007199254740994.0, "text": "a"}', "the id is 9007199254740994, which a float of 64 bits cannot"),
        (b'{"id": 9223372036854775808, "text": "a"}', "the id is '9223372036854775808', "),
        (b'{"id": 1, "text": "a", "id": 2}', "the line has 'id' twice"),
        (b'{"id": 1, "text": "a", "text": "b"}', "the line has 'text' twice"),
        (b'{"id": 1, "text": "a", "text": ' + b"[" * 1010 + b"]" * 1010 + b"}", "the line has "),
    ],
)
def test_a_line_that_is_no_article_is_a_dead_letter_that_says_why(tmp_path: Path, bad: bytes, error: str) -> None:
    first, dead, last = pages_of(written(tmp_path / "a.jsonl", line(1), bad, line(3)))
    assert isinstance(dead, DeadLetter)
    assert dead.error.startswith(error)
    assert dead.where == f"a.jsonl, line at byte {len(line(1)) + 1}"
    assert [page.page_id for page in (first, last)] == [1, 3]


def test_what_only_looks_like_a_name_that_is_there_twice_is_none(tmp_path: Path) -> None:
    found = fates(written(tmp_path / "a.jsonl", line(1, "id", more={"id": 5, "text": "text"}), line(2, '"id" "id"')))
    assert found == [1, 2]


def test_a_byte_order_mark_blank_lines_and_a_missing_last_line_feed_are_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(b"\xef\xbb\xbf" + line(1) + b"\r\n\r\n  \n\n" + line(2.0))
    assert fates(path) == [1, 2]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress])
def test_a_file_that_is_cut_within_a_line_or_a_stream_is_refused(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    name = {bytes: "a.jsonl", gzip.compress: "a.jsonl.gz"}.get(pack, "a.jsonl.zst")
    path, data = tmp_path / name, b"".join(line(number) + b"\n" for number in range(50))
    path.write_bytes(pack(data[:-10]))
    with pytest.raises(RunError, match=rf"{name}: is cut: its last line, at byte \d+, is not whole"):
        pages_of(path)
    if pack is not bytes:
        path.write_bytes(pack(data)[:-3])
        with pytest.raises(RunError, match=rf"{name}: is cut: the \w+ stream at byte 0 has no end"):
            pages_of(path)


def test_a_line_that_is_too_large_is_a_dead_letter_of_which_little_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(line(1) + b"\n" + b'{"id": 2, "text": "' + b"x" * (80 << 20) + b'"}\n' + line(3))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    first, dead, last = pages_of(path, unit_bytes=30 << 20, max_page_bytes=4096)
    assert isinstance(dead, DeadLetter)
    assert dead.error == f"the line has {(80 << 20) + 21} bytes, far more than source.max_page_bytes = 4096"
    assert [page.page_id for page in (first, last)] == [1, 3]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40 << 10  # KiB


def test_of_a_line_that_is_too_large_the_whole_size_is_told() -> None:
    [first, second] = split_lines(iter([b"aaaa", b"aaaa", b"a\nb"]), 10, limit=3)
    assert (first.offset, first.size, len(first.data) <= 9, first.is_ended) == (10, 9, True, True)
    assert (second.offset, second.data, second.is_ended) == (20, b"b", False)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"[\n" + line(1) + b"\n]\n", ""),
        (b"hello\nworld\n", "none of its first lines is a JSON object"),
        (b" \n\n", "none of its first lines is a JSON object"),
        ('{"id": 1, "text": "a"}\n'.encode("utf-16"), "none of its first lines is a JSON object in UTF-8"),
        (b'{"id": 1, "content": "a"}\n', "needs one column 'text'; its columns are id, content; --columns text=NAME"),
        (gzip.compress(line(1), mtime=0), "is gzip, not what its name says"),
        (b"<!DOCTYPE html><html>", r"is a web page \(HTML\)"),
        (b"", "is empty"),
    ],
)
def test_a_file_of_something_else_is_refused_in_one_line(tmp_path: Path, data: bytes, error: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(data)
    if not error:  # brackets of an array around whole lines cost themselves
        assert [isinstance(page, Article) for page in pages_of(tmp_path / "a.jsonl")] == [False, True, False]
        return
    with pytest.raises(RunError, match=error) as caught:
        pages_of(tmp_path / "a.jsonl")
    assert "\n" not in str(caught.value)


def test_small_files_of_a_folder_share_units_and_are_of_one_wiki(tmp_path: Path) -> None:
    for number in range(6):
        written(tmp_path / f"{number}.jsonl", line(number, url=f"https://en.wikipedia.org/wiki/{number}"))
    assert len(opened(tmp_path, unit_bytes=10**6).units) == 1
    assert fates(tmp_path, unit_bytes=150) == list(range(6))
    written(tmp_path / "7.jsonl", line(7, url="https://de.wikipedia.org/wiki/7"))
    with pytest.raises(RunError, match=r"7\.jsonl: is of de\.wikipedia\.org, but 0\.jsonl of en\.wikipedia\.org"):
        opened(tmp_path)


def test_packed_in_a_way_that_is_not_read_a_file_is_refused_with_the_way_out(tmp_path: Path) -> None:
    written(tmp_path / "a.jsonl", line(1))
    written(tmp_path / "b c.jsonl.7z", b"7z")
    for source in (tmp_path, tmp_path / "b c.jsonl.7z"):
        with pytest.raises(UsageError, match=r"7z x -so 'b c\.jsonl\.7z' \| zstd > 'b c\.jsonl\.zst'"):
            opened(source)
