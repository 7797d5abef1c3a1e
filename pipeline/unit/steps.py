"""The steps that make shards of a work unit, as `flow.py` names them: read, clean, encode, cut, write.

Each but the last hands on a stream of batches and does its work only when the next asks for one, so that a unit of any
size needs the memory of a few batches.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from pipeline.articles import ONLY, Article, Selection, Site, Smallest, Texts, Wiki, smallest
from pipeline.output import (
    CHOSEN,
    REDIRECTS,
    ArrowFile,
    ShardFile,
    pages_name,
    read_repeats,
    unit_file,
    write_report,
)
from pipeline.prose.cleaner import Cleaner
from pipeline.settings import ShardsSettings, SplitSettings
from pipeline.source import Mixture, Source, WorkUnit
from pipeline.storage import Place
from pipeline.tokens import EncoderSpec, Rows, TokenIds, encoder_pool
from pipeline.unit import batch as batches
from pipeline.unit.batch import Batch
from pipeline.unit.failures import marks_failure
from pipeline.unit.tally import Tally
from wikilm.shards import SPLITS, articles_name, articles_schema, shard_name

SMALLEST = TypeAdapter(Smallest)


@dataclass(frozen=True)
class Reading:
    """What a worker must know to read and clean articles; small, since it travels with every step.

    There is a cleaner for each wiki, by its number. All workers can reach `work`, the place where they write.
    """

    cleaners: tuple[Cleaner, ...]
    split: SplitSettings
    work: Place
    # What is repeated is known once all units have been read.
    leaves_out_repeats: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class Recipe(Reading):
    """All that a worker must know to make shards."""

    encoder: EncoderSpec
    shards: ShardsSettings
    units: int  # of the source, for the names of files


@dataclass(frozen=True)
class Stream:
    """A work unit on its way through the steps: batches that the last step asks for, one at a time.

    Steps that hand one on must run in one worker.
    """

    unit: int
    batches: Iterator[Batch[Any]]
    wiki: Wiki = ONLY

    def with_batches(self, made: Iterator[Batch[Any]]) -> "Stream":
        """Return the same unit after a step."""
        return replace(self, batches=made)


@marks_failure
def find_smallest(unit: WorkUnit, recipe: Reading) -> Smallest:
    """Find the articles of a unit that may have the smallest digests of all; an earlier run may have found them."""
    name = unit_file(CHOSEN, unit.number)
    with contextlib.suppress(FileNotFoundError, ValidationError):
        return SMALLEST.validate_json(recipe.work.read(name))
    found = smallest(recipe.split, article_ids(unit, recipe.cleaners[unit.wiki.number].site), unit.wiki)
    recipe.work.write(name, SMALLEST.dump_json(found))
    return found


@marks_failure
def find_redirects(unit: WorkUnit, recipe: Reading) -> int:
    """Find the redirects between templates in a unit, and write them down, one JSON array a line.

    Returns:
        The unit's number.
    """
    with recipe.work.create(unit_file(REDIRECTS, unit.number)) as file:
        for redirect in unit.template_redirects(recipe.cleaners[unit.wiki.number].site):
            file.write((json.dumps(redirect) + "\n").encode())
    return unit.number


def read_redirects(work: Place, units: Iterable[int]) -> Iterator[tuple[str, str]]:
    """Yield what `find_redirects` has found in the units of these numbers."""
    for number in units:
        for line in work.lines(unit_file(REDIRECTS, number)):
            name, leads_to = json.loads(line)
            yield name, leads_to


@marks_failure
def read(unit: WorkUnit, recipe: Reading, selected: Selection) -> Stream:
    """Read the articles of a unit that are taken, each with its split."""
    repeated = read_repeats(recipe.work, unit.number) if recipe.leaves_out_repeats else None
    site = recipe.cleaners[unit.wiki.number].site
    return Stream(unit.number, read_articles(unit, site, selected, repeated), unit.wiki)


@marks_failure
def clean(articles: Stream, recipe: Reading) -> Stream:
    """Turn their texts into prose."""
    cleaner = recipe.cleaners[articles.wiki.number]
    return articles.with_batches(batches.clean(batch, cleaner) for batch in articles.batches)


@marks_failure
def encode(texts: Stream, recipe: Recipe) -> Stream:
    """Encode the prose as token ids."""
    return texts.with_batches(_encoded(texts.batches, recipe.encoder))


@marks_failure
def cut(ids: Stream, recipe: Recipe) -> Stream:
    """Cut the token ids into rows."""
    return ids.with_batches(_rows(ids.batches, recipe.shards, recipe.encoder.entry.end_of_text_id))


@marks_failure
def write(rows: Stream, recipe: Recipe) -> int:
    """Write the rows as shards, with the tables of their articles, and then the unit's report.

    Done twice, they are the same bytes.

    Returns:
        The unit's number: all else is in the files.

    Raises:
        RunError: any of the steps failed, as they all do their work while this one asks for batches.
    """
    unit, work, vocab_size = rows.unit, recipe.work, recipe.encoder.entry.vocab_size
    with contextlib.ExitStack() as files:
        shards, tables = {}, {}
        for split in SPLITS:
            name, table = shard_name(split, unit, recipe.units), articles_name(split, unit, recipe.units)
            file = files.enter_context(work.create(name))
            shards[split] = ShardFile(name, file, recipe.shards.chunk_tokens, vocab_size, rows.wiki)
            columns = articles_schema(bool(rows.wiki.name))
            tables[split] = ArrowFile(table, files.enter_context(work.create(table)), columns)
        tally = Tally(unit, rows.wiki, files.enter_context(work.create(pages_name(unit))))
        for batch in rows.batches:
            tally.add(batch)
            for split, of_split in batch.content.items():
                shards[split].append_rows(of_split)
                tables[split].append(batches.table(batch.of_split(split), of_split, rows.wiki))
        report = tally.report(
            shards=[shards[split].close_shard(split, unit) for split in SPLITS],
            articles=[tables[split].close() for split in SPLITS],
        )
    write_report(work, report)
    return unit


def cleaners_of(mixture: Mixture) -> tuple[Cleaner, ...]:
    """Make the cleaners for the texts of all sources, by the number of their wiki."""
    return tuple(map(cleaner_of, mixture.sources))


def cleaner_of(source: Source) -> Cleaner:
    """Make the cleaner for the texts of a source.

    Raises:
        UsageError: `source.templates` has what is no known template.
    """
    return Cleaner.of(source.site, source.is_wikitext, source.limits.max_page_seconds, source.limits.templates)


def article_ids(unit: WorkUnit, site: Site) -> Iterator[int]:
    """Yield the page ids of a unit's articles."""
    return (page.page_id for page in unit.pages(site) if isinstance(page, Article))


def read_articles(
    unit: WorkUnit, site: Site, selected: Selection, repeated: NDArray[np.int64] | None = None
) -> Iterator[Batch[Texts]]:
    """Yield the articles of a unit that are taken, some at a time, but for those that are repeated."""
    first = 0
    for pages in unit.batches(site):
        older = np.empty(0, np.int64) if repeated is None else repeated
        yield batches.take(pages, selected, first, older, unit.wiki)
        first += pages.count


def _encoded(texts: Iterator[Batch[Texts]], spec: EncoderSpec) -> Iterator[Batch[TokenIds]]:
    with encoder_pool.encoder(spec) as encoder:
        for batch in texts:
            yield batches.encode(batch, encoder)


def _rows(ids: Iterator[Batch[TokenIds]], shards: ShardsSettings, end_of_text_id: int) -> Iterator[Batch[Any]]:
    tails = batches.no_tails()
    for batch in ids:
        cut_batch: Batch[dict[str, Rows]] = batches.cut(batch, shards, end_of_text_id, tails)
        tails = {split: rows.tail for split, rows in cut_batch.content.items()}
        yield cut_batch
    yield batches.last_tails(tails)
