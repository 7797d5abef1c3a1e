"""A planned source in, shards and reports in a work folder out: the Beam graph, one expression to be read aloud."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
from pydantic import TypeAdapter, ValidationError

from pipeline.articles.site import Site
from pipeline.articles.split import Selection, Smallest, merge, selection, smallest
from pipeline.output.publish import CHOSEN, unit_file
from pipeline.settings import ShardsSettings, SplitSettings
from pipeline.source.plan import Source, WorkUnit
from pipeline.storage import Place
from pipeline.tokens.encoder_pool import borrowed_encoder
from pipeline.unit import steps
from pipeline.unit.batch import read_articles
from pipeline.unit.failures import failure, step
from wikilm.errors import RunError
from wikilm.shards.manifest import TokenizerEntry

SMALLEST = TypeAdapter(Smallest)


@dataclass(frozen=True)
class Plan:
    """All that a worker must know; small, since it travels with every step. All workers can reach its places."""

    site: Site
    is_wikitext: bool
    max_page_seconds: float
    units: int
    split: SplitSettings
    shards: ShardsSettings
    tokenizer_folder: Path
    tokenizer: TokenizerEntry
    engine: str
    work: Place


@dataclass(frozen=True)
class Stream:
    """A work unit on its way through the steps: batches that the last step asks for, one at a time.

    So memory is bounded by a batch, whatever the size of the unit. Steps that hand one on must run in one worker.
    """

    unit: int
    batches: Iterator[Any]

    def then(self, batches: Iterator[Any]) -> "Stream":
        """What the next step makes of it."""
        return Stream(self.unit, batches)


NOT_FUSED = "the runner does not fuse the steps of the graph, which hand on what cannot be stored"


class NeverStored(beam.coders.Coder):
    """The coder of streams, which never leave a worker: a runner that would store one is told so.

    It also spares Beam's metrics the encoding of elements for the sake of their size.
    """

    def encode(self, value: Stream) -> bytes:
        """Refuse."""
        raise RunError(failure(NOT_FUSED))

    def decode(self, encoded: bytes) -> Stream:
        """Refuse, too."""
        raise RunError(failure(NOT_FUSED))

    def estimate_size(self, value: Stream) -> int:
        """A constant, since a stream has no size before it has run."""
        return 1

    def is_deterministic(self) -> bool:
        """As good as any: nothing is encoded."""
        return True

    def to_type_hint(self) -> type[Stream]:
        """What it is the coder of."""
        return Stream


beam.coders.registry.register_coder(Stream, NeverStored)


def graph(
    pipeline: beam.Pipeline, source: Source, plan: Plan, done: frozenset[int] = frozenset()
) -> beam.PCollection[int]:
    """Units to shards, those aside that an earlier run has `done`.

    After "spread them" a unit stays in one worker: fused steps hand on streams of batches.
    """
    units = (
        pipeline
        | "the work units of the source" >> beam.Create(source.units, reshuffle=False)
        | "spread them over the workers" >> beam.Reshuffle()
    )
    return (
        units
        | "that are not done yet" >> beam.Filter(is_missing, done)
        | "read the articles of each" >> beam.Map(read, plan, selected=which(pipeline, units, plan))
        | "clean their texts" >> beam.Map(clean, plan)
        | "encode them as token ids" >> beam.Map(encode, plan)
        | "cut the ids into rows" >> beam.Map(cut, plan)
        | "write the rows as shards" >> beam.Map(write, plan)
    )


def which(pipeline: beam.Pipeline, units: beam.PCollection[WorkUnit], plan: Plan) -> beam.pvalue.AsSingleton:
    """Which articles are taken: all, or, after a first look through the units, those with the smallest digests."""
    if plan.split.take is None:
        return beam.pvalue.AsSingleton(pipeline | "all articles are taken" >> beam.Create([Selection(plan.split)]))
    return beam.pvalue.AsSingleton(
        units
        | "look through each for its smallest digests" >> beam.Map(look_through, plan)
        | "keep the smallest of all" >> beam.CombineGlobally(_merged(plan.split))
        | "those are taken" >> beam.Map(functools.partial(selection, plan.split))
    )


@step
def look_through(unit: WorkUnit, plan: Plan) -> Smallest:
    """A unit to the articles that may be among the smallest; an earlier run may have found them."""
    name = unit_file(CHOSEN, unit.number)
    with contextlib.suppress(FileNotFoundError, ValidationError):
        return SMALLEST.validate_json(plan.work.read(name))
    found = smallest(plan.split, steps.article_ids(unit, plan.site))
    plan.work.write(name, SMALLEST.dump_json(found))
    return found


def is_missing(unit: WorkUnit, done: frozenset[int]) -> bool:
    """Whether a unit's shards are still to be made."""
    return unit.number not in done


@step
def read(unit: WorkUnit, plan: Plan, selected: Selection) -> Stream:
    """A unit to its articles, each on its side."""
    return Stream(unit.number, read_articles(unit, plan.site, selected))


@step
def clean(articles: Stream, plan: Plan) -> Stream:
    """Articles to prose."""
    return articles.then(steps.clean_texts(articles.batches, plan.site, plan.is_wikitext, plan.max_page_seconds))


@step
def encode(texts: Stream, plan: Plan) -> Stream:
    """Prose to token ids."""
    return texts.then(_encoded(texts.batches, plan))


@step
def cut(ids: Stream, plan: Plan) -> Stream:
    """Token ids to rows."""
    return ids.then(steps.to_rows(ids.batches, plan.shards, plan.tokenizer.end_of_text_id))


@step
def write(rows: Stream, plan: Plan) -> int:
    """Rows to shards and a report in the work folder; the unit's number is all that comes back.

    Raises:
        RunError: any of the steps failed, as they all do their work while this one asks for batches.
    """
    vocab_size = plan.tokenizer.vocab_size
    return steps.write_shards(rows.unit, rows.batches, plan.work, plan.units, plan.shards.chunk_tokens, vocab_size)


def _encoded(texts: Iterator[Any], plan: Plan) -> Iterator[Any]:
    """As `unit.encode`, with an encoder of this worker.

    Raises:
        RunError: this worker sees another tokenizer than the driver did.
    """
    with borrowed_encoder(plan.tokenizer_folder, plan.engine) as encoder:
        if encoder.entry != plan.tokenizer:
            raise RunError(f"{plan.tokenizer_folder}: the tokenizer is not the one that the run began with; run again")
        yield from steps.encode(texts, encoder)


def _merged(split: SplitSettings) -> Callable[[Iterable[Any]], Smallest]:
    return functools.partial(merge, split)
