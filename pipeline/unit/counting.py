"""The steps that count the words of a source, as `flow.py` names them: count those of each unit, then add them up.

WORK/words/00012.arrow      the words of unit 12: batches of the parts 0, 1, 2 ... of all words, maybe several times
WORK/newest/00012.arrow     the same of a unit counted again, without older revisions
WORK/counted/00003.arrow    the words of part 3, each once
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.articles import TRAIN, Texts
from pipeline.output import (
    IDENTITY_COLUMNS,
    REPEATS,
    ArrowFile,
    UnitReport,
    find_repeats,
    numbered,
    pages_name,
    read_repeats,
    read_reports,
    total,
    write_repeats,
    write_report,
)
from pipeline.storage import Place
from pipeline.tokens.words import COLUMNS, above, count_words, digests, in_parts, limit, merge
from pipeline.unit.batch import NOTHING
from pipeline.unit.failures import marks_failure
from pipeline.unit.steps import Reading, Stream
from wikilm.errors import RunError
from wikilm.shards import SPLITS

MAX_PARTS, STORED_IN_PART = 64, 4_000_000  # parts of all words; bytes of the source that are worth one
SLICE_BYTES = 64_000_000  # of a part that are added up in one go, some 250 MB; of a larger one, some words at a time
WORDS_BYTES = 100_000_000  # of different words that merges are learned from, some 4 million: 3 GB, and a minute


@dataclass(frozen=True)
class Counting(Reading):
    """All that a worker must know to count words."""

    units: int
    parts: int


@dataclass(frozen=True)
class Counted:
    """What was counted.

    Attributes:
        words: each once, with its count (see `pipeline.tokens.words.COLUMNS`).
        different: how many there are, with those that are left out.
        rarest: where any are left out, the count of the most frequent of them; else 0.
        older: how many pages were left out of which there is a newer revision.
    """

    words: pa.Table
    different: int
    rarest: int
    older: int


def parts_of(stored_bytes: int) -> int:
    """Return in how many parts the words of a source are added up; the sums are the same in any."""
    return min(MAX_PARTS, 1 + stored_bytes // STORED_IN_PART)


@marks_failure
def count(texts: Stream, recipe: Counting) -> int:
    """Count the words of the training articles of a unit, and write which pages it has, and then its report.

    Returns:
        The unit's number.

    Raises:
        RunError: any of the steps failed, or the folder is gone, as it is once another worker has failed.
    """
    counts, unit, work = [NOTHING], texts.unit, recipe.work
    _check_is_there(work)
    with work.create(pages_name(unit)) as pages_file, work.create(_words_of(unit, recipe.leaves_out_repeats)) as file:
        pages = ArrowFile(pages_name(unit), pages_file, IDENTITY_COLUMNS)

        def training_texts() -> Iterator[Texts]:
            for batch in texts.batches:
                counts.append(batch.counts)
                pages.append([batch.identities.page_ids, batch.identities.timestamps, batch.identities.positions])
                yield batch.content.filter(pa.array(batch.splits == SPLITS.index(TRAIN)))

        with pa.ipc.new_file(file, COLUMNS) as tables:
            for table in count_words(training_texts()):
                for part in in_parts(table, recipe.parts):
                    tables.write_batch(part)
        entry = pages.close()
    _check_is_there(work)
    report = UnitReport(
        unit=unit, wiki=texts.wiki.number, counts=total(counts), shards=[], articles=[], pages=entry, dead_letters=[]
    )
    write_report(work, report)
    return unit


@marks_failure
def find_older(_: object, recipe: Counting, counted: Iterable[int]) -> frozenset[int]:
    """Find the units that have pages of which there are newer revisions, once all units are counted; write down which.

    Raises:
        RunError: a worker does not share the folder.
    """
    done, reports = set(counted), read_reports(recipe.work)
    if not len(done) == len(reports) == recipe.units:
        raise RunError(
            f"{recipe.work}: has what {len(reports)} of {recipe.units} units have counted; all workers must reach it"
        )
    repeats = find_repeats(recipe.work, reports)
    write_repeats(recipe.work, repeats)
    return frozenset(repeats)


@marks_failure
def add_up(part: int, recipe: Counting, stale: frozenset[int], counted_again: Iterable[int]) -> int:
    """Add up the counts of a part of all words, in bounded memory.

    Args:
        part: its number, from 0.
        recipe: says how many units and parts there are.
        stale: the units that were counted again.
        counted_again: the same units, once that is done.
    """
    assert set(counted_again) == stale
    files = [_words_of(unit, unit in stale) for unit in range(recipe.units)]
    size = sum((recipe.work.path / name).stat().st_size for name in files) // recipe.parts
    slices = max(1, -(-size // SLICE_BYTES))
    with recipe.work.create(_sums_of(part)) as file, pa.ipc.new_stream(file, COLUMNS) as tables:
        for number in range(slices):
            found = (_slice(table, recipe.parts, slices, number) for table in _tables(recipe, files, part))
            tables.write_table(merge(found))
    return part


def counted_words(recipe: Counting) -> Counted:
    """Read the sums of all parts: all words, or, where these are more than `WORDS_BYTES`, the most frequent of them.

    Which are left out depends on the counts alone, and on digests of those words that have the same.
    """
    least = (0, 0)
    size = sum((recipe.work.path / _sums_of(part)).stat().st_size for part in range(recipe.parts))
    if size > WORDS_BYTES:
        least = limit(_sums(recipe), WORDS_BYTES)
    different, kept = 0, [COLUMNS.empty_table()]
    for table in _sums(recipe):
        different += len(table)
        kept.append(above(table, least) if least != (0, 0) else table)
    older = sum(len(read_repeats(recipe.work, unit)) for unit in numbered(recipe.work, REPEATS))
    return Counted(pa.concat_tables(kept), different, least[0], older)


def _words_of(unit: int, newest: bool) -> str:
    return f"{'newest' if newest else 'words'}/{unit:05d}.arrow"


def _sums_of(part: int) -> str:
    return f"counted/{part:05d}.arrow"


def _tables(recipe: Counting, names: Iterable[str], part: int) -> Iterator[pa.Table]:
    """Yield the words of one part, file by file."""
    for name in names:
        with pa.OSFile(str(recipe.work.path / name)) as file:
            batches: Any = pa.ipc.open_file(file)
            for number in range(part, batches.num_record_batches, recipe.parts):
                yield pa.Table.from_batches([batches.get_batch(number)])


def _slice(words: pa.Table, parts: int, slices: int, number: int) -> pa.Table:
    return words if slices == 1 else words.filter(pa.array(digests(words) // parts % slices == number))


def _sums(recipe: Counting) -> Iterator[pa.Table]:
    for part in range(recipe.parts):
        with pa.OSFile(str(recipe.work.path / _sums_of(part))) as file, pa.ipc.open_stream(file) as tables:
            for batch in tables:
                yield pa.Table.from_batches([batch])


def _check_is_there(work: Place) -> None:
    """Refuse to make anew a folder that the driver has removed."""
    if work.is_local and not work.path.is_dir():
        raise RunError(f"{work}: no such folder: the run has ended, or this worker does not share it")
