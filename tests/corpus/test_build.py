"""The committed dump is what the pages make; a build writes both files or none, and says in a line what is wrong."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from corpus import build
from corpus.page import Page
from pipeline.articles.article import Article, DeadLetter
from pipeline.settings import SourceSettings
from pipeline.source.plan import open_source
from tests.helpers import ROOT
from tests.helpers.corpus import INDEX, XML
from wikilm.errors import RunError


def command(*args: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "corpus.build", *args],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_the_committed_dump_is_what_the_pages_make() -> None:
    done = command("--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_same_pages_give_the_same_bytes_from_any_place_and_in_any_file_order(
    tmp_path: Path, pages: list[Page]
) -> None:
    moved = tmp_path / "pages"
    moved.mkdir()
    for page in reversed(pages):
        (moved / f"{page.page_id % 7}-{page.page_id}.wikitext").write_bytes(page.source.read_bytes())
    done = command("--pages", "pages", "--output", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / XML.name).read_bytes() == XML.read_bytes()
    assert (tmp_path / "out" / INDEX.name).read_bytes() == INDEX.read_bytes()


def test_check_finds_a_changed_page_and_writes_nothing(tmp_path: Path) -> None:
    source = tmp_path / "pages" / "noon.wikitext"
    source.parent.mkdir()
    source.write_text("id: 1\ntitle: Noon\n\nTwelve o'clock.\n")
    args = ("--pages", "pages", "--output", ".")
    assert "no such file; build it with" in command(*args, "--check", cwd=tmp_path).stderr
    assert command(*args, cwd=tmp_path).returncode == 0
    assert command(*args, "--check", cwd=tmp_path).returncode == 0
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.bz2")}
    source.write_text("id: 1\ntitle: Noon\n\nTwelve o'clock, roughly.\n")
    done = command(*args, "--check", cwd=tmp_path)
    assert done.returncode == 1
    assert re.fullmatch(
        r"python -m corpus.build: error: \S*xml.bz2: not what the pages make; build it again .*\n", done.stderr
    )
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.bz2")} == before


def test_a_failing_build_leaves_both_files_as_they_were_and_no_others(tmp_path: Path) -> None:
    xml, index = tmp_path / "a.bz2", tmp_path / "b.bz2"
    xml.write_bytes(b"old")
    index.mkdir()
    with pytest.raises(RunError, match=r"b\.bz2: is a folder"):
        build.write_together({xml: b"new", index: b"new"})
    assert xml.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bz2", "b.bz2"]


@pytest.mark.parametrize("unit_bytes", [1, 1_000_000])
def test_the_pipeline_reads_every_page_of_it(unit_bytes: int, pages: list[Page], articles: list[Page]) -> None:
    source = open_source(SourceSettings(path=str(XML), unit_bytes=unit_bytes))
    read = [page for unit in source.units for page in unit.pages(source.site)]
    assert [page.page_id for page in read] == [page.page_id for page in pages]
    found = [(page.page_id, page.title, page.text) for page in read if isinstance(page, Article)]
    assert found == [(page.page_id, page.title, page.text) for page in articles]
    assert all(not isinstance(page, DeadLetter) for page in read)


def test_wrong_usage_ends_with_status_2(tmp_path: Path) -> None:
    done = command("--pages-per-stream", "0")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "must be at least 1" in done.stderr
    empty = command("--pages", str(tmp_path))
    assert (empty.returncode, empty.stderr.count("\n")) == (1, 1)
    assert "no .wikitext files here" in empty.stderr
    (tmp_path / "file").touch()
    in_the_way = command("--output", str(tmp_path / "file"))
    assert (in_the_way.returncode, in_the_way.stderr.count("\n")) == (1, 1)
    assert "file: cannot make this folder: File exists; name another one with --output" in in_the_way.stderr
