"""Words are counted once for each article, in memory that a source of any kind does not fill, to sums that depend on
the texts alone.
"""

import itertools
import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.articles.split import Selection, digest, selection, split_of
from pipeline.output.reports import read_reports
from pipeline.settings import SourceSettings, SplitSettings
from pipeline.source import open_mixture
from pipeline.storage.place import Place
from pipeline.tokens import words
from pipeline.tokens.words import above, count_words, limit, merge
from pipeline.unit import counting, steps
from pipeline.unit.counting import Counted, Counting
from pipeline.unit.steps import cleaners_of
from wikilm.errors import RunError

SPLIT = SplitSettings(seed=0, validation_fraction=0.3)
TEXTS = {number: f"Text number {number} of the river " * (number % 13) + "end\n" * (number % 2) for number in range(90)}


def table(path: Path, texts: dict[int, str], rows: int = 20) -> Path:
    columns = {"id": [str(number) for number in texts], "title": [f"T{n}" for n in texts], "text": list(texts.values())}
    pq.write_table(pa.table(columns), path, row_group_size=rows)
    return path


def counted(path: Path, work: Path, parts: int, split: SplitSettings = SPLIT) -> Counted:
    """All steps, one after the other, as any runner may take them."""
    mixture = open_mixture(SourceSettings(path=str(path), unit_bytes=200))
    recipe = Counting(cleaners_of(mixture), split, Place(str(work)), len(mixture.units), parts)
    work.mkdir()
    selected = Selection(split)
    if split.take is not None:
        [unit] = mixture.units
        selected = selection(split, steps.find_smallest(unit, recipe))
    done = [counting.count(steps.clean(steps.read(u, recipe, selected), recipe), recipe) for u in mixture.units]
    stale = counting.find_older(None, recipe, done)
    assert stale == frozenset()
    for part in range(parts):
        counting.add_up(part, recipe, stale, [])
    return counting.counted_words(recipe)


def of_training(texts: dict[int, str]) -> pa.Table:
    train = [text for number, text in texts.items() if split_of(SPLIT, number) == "train"]
    return merge(count_words([pa.array(train, pa.string())]))


@pytest.mark.parametrize("parts", [1, 2, 7])
@pytest.mark.parametrize("slice_bytes", [10**9, 500])
def test_the_sums_are_those_of_all_training_articles_in_any_number_of_parts(tmp_path, monkeypatch, parts, slice_bytes):
    monkeypatch.setattr(counting, "SLICE_BYTES", slice_bytes)
    found = counted(table(tmp_path / "a.parquet", TEXTS), tmp_path / "work", parts)
    assert found.words.sort_by("word").equals(of_training(TEXTS))
    assert (found.different, found.rarest, found.older) == (len(found.words), 0, 0)


def test_a_sample_counts_the_articles_with_the_smallest_digests(tmp_path):
    taken = SplitSettings(seed=0, validation_fraction=0.3, take=(20, 20))
    ids = sorted((n for n in TEXTS if split_of(SPLIT, n) == "train"), key=lambda n: digest(0, n))[:20]
    found = counted(table(tmp_path / "a.parquet", TEXTS, rows=100), tmp_path / "work", 3, taken)
    expected = merge(count_words([pa.array([TEXTS[number] for number in ids], pa.string())]))
    assert found.words.sort_by("word").equals(expected)
    [report] = read_reports(Place(str(tmp_path / "work")))
    assert report.counts.train_articles == len([number for number in ids if TEXTS[number].strip()])


def test_of_more_words_than_fit_the_most_frequent_are_kept_whatever_the_units_and_parts(tmp_path, monkeypatch):
    drawn = random.Random(0)
    new = ("".join(drawn.choices("abcdefgh", k=9)) for _ in range(1800))
    texts = {number: " ".join(itertools.islice(new, 30)) + " the river" * 5 for number in range(60)}
    whole = counted(table(tmp_path / "a.parquet", texts), tmp_path / "whole", 1)
    monkeypatch.setattr(counting, "WORDS_BYTES", whole.words.nbytes // 3)
    kept = [
        counted(table(tmp_path / f"{rows}.parquet", texts, rows), tmp_path / f"work{rows}", parts)
        for rows, parts in ((7, 1), (60, 5))
    ]
    first, second = (found.words.sort_by("word") for found in kept)
    assert first.equals(second)
    assert {" the", " river"} <= set(first["word"].to_pylist())
    assert whole.words.nbytes / 6 < first.nbytes < whole.words.nbytes / 2
    assert (kept[0].different, kept[0].rarest) == (len(whole.words), 1)


def hexes(count: int) -> Iterator[pa.Array]:
    drawn = random.Random(0)
    for _ in range(count):
        yield pa.array([" ".join(f"{drawn.getrandbits(64):016x}" for _ in range(200))], pa.string())


def glued(count: int) -> Iterator[pa.Array]:
    """As in scripts without blanks: long pieces, none of which comes twice."""
    drawn = random.Random(0)
    for _ in range(count):
        yield pa.array(["，".join("".join(chr(drawn.randrange(0x4E00, 0x9FFF)) for _ in range(6)) for _ in range(200))])


@pytest.mark.parametrize("texts", [hexes, glued])
def test_a_source_whose_words_are_all_new_fills_no_memory(monkeypatch, texts):
    monkeypatch.setattr(words, "HELD_BYTES", 50_000)
    before, largest, found = pa.total_allocated_bytes(), 0, 0
    tracemalloc.start()
    try:
        for table in count_words(texts(100)):
            found += len(table)
            largest = max(largest, pa.total_allocated_bytes() - before, tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert found > 19_000
    assert largest < 20 * 50_000


def test_what_fits_is_found_by_count_and_then_by_digest():
    table = merge(count_words([pa.array(["a a a b b " + " ".join(f"x{n}y" for n in range(500))], pa.string())]))
    assert limit([table], table.nbytes * 2) == (0, 0)
    assert above(table, (0, 0)).equals(table)
    count, least = limit([table.slice(0, 100), table.slice(100)], table.nbytes // 2)
    assert count == 1
    kept = above(table, (count, least))
    assert {" a", " b"} <= set(kept["word"].to_pylist())
    assert len(table) * 0.4 < len(kept) < len(table) * 0.6
    assert len(above(table, limit([table], 60))) <= 3


def test_a_worker_that_does_not_share_the_folder_is_told(tmp_path):
    recipe = Counting((), SPLIT, Place(str(tmp_path)), 3, 1)
    with pytest.raises(RunError, match="0 of 3 units have counted; all workers must reach it"):
        counting.find_older(None, recipe, [0, 1, 2])
