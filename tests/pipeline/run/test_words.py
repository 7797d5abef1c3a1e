"""The words of a source are counted by any number of workers, each article once, and nothing is left of a run."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.run.beam import beam_options
from pipeline.run.words import count_words_of
from pipeline.settings import SourceSettings, SplitSettings
from pipeline.source import open_mixture
from pipeline.storage import Place, exclusive
from pipeline.tokenizer import remarks
from pipeline.unit import Counted
from tests.helpers.dumps import Page, make_dump, revision
from wikilm.errors import UsageError

SPLIT = SplitSettings(seed=0, validation_fraction=0)
PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
WORDS = "the river of stone runs under a bridge and the old town wakes to bells in every morning".split()  # noqa: SIM905


def page(number: int, year: int, drawn: random.Random) -> Page:
    """A revision of a page, as some dumps have them: each in a <page> of its own."""
    xml = revision(
        number * 10000 + year, f"{year}-01-01T00:00:00Z", f"Year{year} {' '.join(drawn.choices(WORDS, k=40))}"
    )
    return Page(number, f"T{number}", raw=f"<page><title>T{number}</title><ns>0</ns><id>{number}</id>{xml}</page>")


def counted(dump: Path, beside: Path, *options: str, split: SplitSettings = SPLIT) -> Counted:
    mixture = open_mixture(SourceSettings(path=str(dump), unit_bytes=500))
    assert len(mixture.units) > 3
    return count_words_of(mixture, split, beside, beam_options(list(options)))


def as_dict(found: Counted) -> dict[str, int]:
    return dict(zip(found.words["word"].to_pylist(), found.words["count"].to_pylist(), strict=True))


@pytest.fixture
def dumps(tmp_path) -> tuple[Path, Path]:
    """A dump in which some pages come again, as newer and as older ones, and one of the newest of each alone."""
    drawn = random.Random(0)
    newest = {number: page(number, 2020, drawn) for number in range(1, 41)}
    older = [page(number, year, drawn) for year in (2010, 2015) for number in range(1, 41, 3)]
    pages = [*older[:15], *newest.values(), *older[15:]]
    return (
        make_dump(tmp_path / "all-multistream.xml.bz2", pages, pages_per_stream=3),
        make_dump(tmp_path / "newest-multistream.xml.bz2", list(newest.values()), pages_per_stream=3),
    )


@pytest.mark.parametrize("options", [(), pytest.param(PROCESSES, marks=pytest.mark.slow)], ids=["one worker", "two"])
def test_of_pages_that_come_again_the_words_of_the_newest_alone_are_counted(dumps, tmp_path, options):
    expected = counted(dumps[1], tmp_path / "t")
    found = counted(dumps[0], tmp_path / "t", *options)
    assert as_dict(found) == as_dict(expected)
    assert "Year2020" not in as_dict(expected)  # a word and a number
    assert (expected.older, found.older) == (0, 28)
    assert list(remarks(expected)) == []
    assert list(remarks(found)) == ["28 pages are older revisions of others, and are left out"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == []


def test_a_sample_of_repeated_pages_is_one_of_articles(dumps, tmp_path):
    few = SPLIT.model_copy(update={"take": (7, 0)})
    found = [counted(dump, tmp_path / "t", split=few) for dump in dumps]
    assert as_dict(found[0]) == as_dict(found[1])
    assert as_dict(found[0])["Year"] == 7


def test_what_a_killed_run_has_left_is_removed_and_what_is_not_ours_is_kept(dumps, tmp_path):
    left = tmp_path / ".t.words" / ("0" * 32) / "words"
    left.mkdir(parents=True)
    (left / "00000.arrow").write_bytes(b"x")
    (tmp_path / ".t.words" / "lock").write_bytes(b"{}")
    counted(dumps[1], tmp_path / "t")
    assert not (tmp_path / ".t.words").exists()
    (tmp_path / ".t.words").mkdir()
    (tmp_path / ".t.words" / "mine.txt").write_text("x")
    with pytest.raises(UsageError, match=r"\.t\.words: holds 'mine\.txt', which this command did not make"):
        counted(dumps[1], tmp_path / "t")
    assert (tmp_path / ".t.words" / "mine.txt").read_text() == "x"


def test_two_runs_for_one_folder_are_refused(dumps, tmp_path):
    (tmp_path / ".t.words" / ("1" * 32)).mkdir(parents=True)
    with exclusive(Place(str(tmp_path / ".t.words")), "lock"):  # noqa: SIM117
        with pytest.raises(UsageError, match="another run is writing there"):
            counted(dumps[1], tmp_path / "t")
    assert (tmp_path / ".t.words" / ("1" * 32)).is_dir()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_nothing_or_what_the_next_one_removes(dumps, tmp_path, number):
    script = (
        "import os, sys\nfrom pipeline.unit import counting\nfrom pipeline.tokenizer import main\n"
        "from wikilm.cli import run\n"
        f"counting.find_repeats = lambda *_: os.kill(os.getpid(), {int(number)}) or {{}}\n"
        "sys.exit(run(main, 'tokenizer', sys.argv[1:]))"
    )
    arguments = ["--source", dumps[1], "--unit-bytes", "500", "--vocab-size", "300", "--output", tmp_path / "out" / "t"]
    (tmp_path / "out").mkdir()
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    left = [path.name for path in (tmp_path / "out").iterdir()]
    if number == signal.SIGTERM:
        assert (done.returncode, left) == (143, [])
        assert done.stderr.strip().splitlines()[-1] == (
            "tokenizer: error: stopped by SIGTERM; give the same command again to make it anew"
        )
    else:
        assert (done.returncode, left) == (-9, [".t.words"])
        counted(dumps[1], tmp_path / "out" / "t")
        assert list((tmp_path / "out").iterdir()) == []
