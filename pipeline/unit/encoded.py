"""Keep the articles of a unit as token ids until it is known which are copies of others, and take them up again.

So nothing is cleaned or encoded twice. The ids need as much disk as the shards that they become.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.articles import NO_ARTICLES, NO_SPLIT, Articles, DeadLetter, Identities
from pipeline.duplicates import (
    Comparison,
    find_matches,
    print_columns,
    print_schema,
    prints_name,
    read_copies,
    write_copies,
)
from pipeline.output import (
    ENCODED,
    IDENTITY_COLUMNS,
    ArrowFile,
    ids_name,
    pages_name,
    read_report,
    write_report,
)
from pipeline.source import WorkUnit
from pipeline.storage import Place
from pipeline.tokens import TokenIds, token_ids
from pipeline.unit import batch as batches
from pipeline.unit.batch import Batch
from pipeline.unit.failures import marks_failure
from pipeline.unit.steps import Recipe, Stream
from pipeline.unit.tally import Tally
from wikilm.errors import RunError
from wikilm.shards import id_type


@marks_failure
def take_prints(texts: Stream, recipe: Recipe) -> Stream:
    """Take the prints of the texts."""
    return texts.with_batches(batches.take_prints(batch, recipe.shards) for batch in texts.batches)


@marks_failure
def keep(ids: Stream, recipe: Recipe) -> int:
    """Write the token ids and the prints of a unit's articles, and then its report.

    Done twice, they are the same bytes.

    Returns:
        The unit's number.

    Raises:
        RunError: any of the steps failed.
    """
    unit, work, vocab_size = ids.unit, recipe.work, recipe.encoder.entry.vocab_size
    with contextlib.ExitStack() as files:
        tally = Tally(unit, ids.wiki, files.enter_context(work.create(pages_name(unit))))
        kept = ArrowFile(ids_name(unit), files.enter_context(work.create(ids_name(unit))), _columns(vocab_size))
        file = files.enter_context(work.create(prints_name(unit)))
        prints = ArrowFile(prints_name(unit), file, print_schema(recipe.shards))
        for batch in ids.batches:
            tally.add(batch)
            if len(batch.articles):
                kept.append_now(_kept(batch, vocab_size))
                prints.append(print_columns(batch.articles, batch.prints))
        report = tally.report(shards=[], articles=[], encoded=[kept.close(), prints.close()])
    write_report(work, report, ENCODED)
    return unit


@marks_failure
def match(task: tuple[int, int], comparison: Comparison) -> int:
    """Find the pairs of articles that are alike by one key."""
    return find_matches(task, comparison)


@marks_failure
def choose(pairs: int, comparison: Comparison) -> int:
    """Choose, once all `pairs` are found, which articles are kept; returns how many are not."""
    return write_copies(comparison)


@marks_failure
def take_up(unit: WorkUnit, recipe: Recipe, copies: int) -> Stream:
    """Take up the token ids of a unit's articles again, once it is known how many `copies` there are in all units."""
    return Stream(unit.number, _taken_up(unit.number, recipe.work), unit.wiki)


def _taken_up(unit: int, work: Place) -> Iterator[Batch[TokenIds]]:
    report, copies = read_report(work, unit, ENCODED), read_copies(work, unit)
    if report is None:
        raise RunError(f"{work}: what was encoded of unit {unit} is gone; run again")
    left_out = copies["row"].to_numpy()
    splits = np.concatenate([np.empty(0, np.int8), *(table["split"].to_numpy() for table in _stored(work, unit))])
    counts = batches.without_copies(report.counts, copies, splits[left_out])
    pages = pa.ipc.open_stream(work.read(pages_name(unit))).read_all()
    identities = Identities(*(pages[name].to_numpy() for name in IDENTITY_COLUMNS.names))
    dead = tuple(DeadLetter(**letter.model_dump()) for letter in report.dead_letters)
    yield Batch(NO_ARTICLES, np.empty(0, np.int8), token_ids([]), counts, dead, identities)
    first = 0
    for stored in _stored(work, unit):
        is_copy = np.isin(np.arange(first, first + stored.num_rows), left_out)
        first += stored.num_rows
        yield _batch(stored, is_copy)


def _stored(work: Place, unit: int) -> Iterator[pa.RecordBatch]:
    name = ids_name(unit)
    source = pa.memory_map(str(work.path / name)) if work.is_local else pa.BufferReader(work.read(name))
    return iter(pa.ipc.open_stream(source))


def _columns(vocab_size: int) -> pa.Schema:
    columns = {
        "page_id": pa.int64(), "revision_id": pa.int64(), "title": pa.string(), "split": pa.int8(),
        "ids": pa.large_list(pa.field("item", id_type(vocab_size), nullable=False)),
    }  # fmt: skip
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in columns.items()])


def _kept(batch: Batch[TokenIds], vocab_size: int) -> list[Any]:
    values = pa.array(batch.content.ids, id_type(vocab_size))
    field = pa.field("item", values.type, nullable=False)
    lists = pa.LargeListArray.from_arrays(pa.array(batch.content.offsets), values, type=pa.large_list(field))
    articles = batch.articles
    return [articles.page_ids, articles.revision_ids, articles.titles, batch.splits, lists]


def _batch(stored: pa.RecordBatch, is_copy: NDArray[np.bool_]) -> Batch[TokenIds]:
    """Return a batch of which the copies are in neither split: so their ids need not be cut out first."""
    lists = stored["ids"]
    offsets = lists.offsets.to_numpy()
    content = TokenIds(lists.values.to_numpy()[offsets[0] : offsets[-1]], offsets - offsets[0])
    page_ids, revision_ids = stored["page_id"].to_numpy(), stored["revision_id"].to_numpy()
    articles = Articles(page_ids, revision_ids, stored["title"], np.zeros(len(page_ids), np.int64))
    return Batch(articles, np.where(is_copy, NO_SPLIT, stored["split"].to_numpy()), content)
