"""A planned source in, shards and reports in a work folder out: the Beam graph, one expression to be read aloud."""

import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import apache_beam as beam

from pipeline import unit as steps
from pipeline.article import Article
from pipeline.chunk import Ids, Rows
from pipeline.command import RunError, reason
from pipeline.encoder import shared_encoder
from pipeline.settings import ShardsSettings, SplitSettings
from pipeline.shard import write_whole
from pipeline.shard_format import TokenizerEntry
from pipeline.site import Site
from pipeline.source import Source, WorkUnit
from pipeline.split import Selection, Smallest, merge, selection, smallest

CHOSEN = "chosen"  # folder within the work folder: a file for each unit that was looked through for `take`


@dataclass(frozen=True)
class Plan:
    """All that a worker must know; small, since it travels with every step. Folders are on a file system they share."""

    name: str
    site: Site
    is_wikitext: bool
    units: int
    split: SplitSettings
    shards: ShardsSettings
    tokenizer_folder: Path
    tokenizer: TokenizerEntry
    engine: str
    work: Path


def graph(pipeline: beam.Pipeline, source: Source, plan: Plan) -> beam.PCollection[int]:
    """Units to shards. Elements after "spread them" stay in one worker: fused, handed on as Python objects."""
    units = (
        pipeline
        | "the work units of the source" >> beam.Create(source.units, reshuffle=False)
        | "spread them over the workers" >> beam.Reshuffle()
    )
    return (
        units
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


P = ParamSpec("P")
R = TypeVar("R")


def failure(why: str) -> str:
    """A worker's one-line reason, marked so that it can be found within whatever Beam wraps around it."""
    return f"wikilm-failure<{why}>wikilm-failure"


def told_reason(text: str) -> str | None:
    """The first reason that `failure` marked in a text, or None."""
    found = re.search("wikilm-failure<(.*?)>wikilm-failure", text)
    return found[1] if found else None


def step(function: Callable[P, R]) -> Callable[P, R]:
    """Make a worker's error carry its one-line reason through Beam, which passes errors on as text."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            kind = "" if isinstance(error, RunError | OSError) else f"{type(error).__name__}: "
            raise RunError(failure(kind + reason(error))) from error

    return wrapped


@step
def look_through(unit: WorkUnit, plan: Plan) -> Smallest:
    """A unit to the articles that may be among the smallest."""
    found = smallest(plan.split, steps.article_ids(unit, plan.site))
    write_whole(plan.work / CHOSEN / f"{unit.number:05d}.json", b"{}")
    return found


@step
def read(unit: WorkUnit, plan: Plan, selected: Selection) -> steps.Unit[list[Article]]:
    """A unit to its articles, by side."""
    return steps.read_articles(unit, plan.site, selected)


@step
def clean(unit: steps.Unit[list[Article]], plan: Plan) -> steps.Unit[list[tuple[int, str]]]:
    """Articles to prose."""
    return steps.clean_texts(unit, plan.site, plan.is_wikitext, plan.name)


@step
def encode(unit: steps.Unit[list[tuple[int, str]]], plan: Plan) -> steps.Unit[list[tuple[int, Ids]]]:
    """Prose to token ids.

    Raises:
        RunError: this worker sees another tokenizer than the driver did.
    """
    encoder = shared_encoder(plan.tokenizer_folder, plan.engine)
    if encoder.entry != plan.tokenizer:
        raise RunError(f"{plan.tokenizer_folder}: the tokenizer is not the one that the run began with; run again")
    return steps.encode(unit, encoder)


@step
def cut(unit: steps.Unit[list[tuple[int, Ids]]], plan: Plan) -> steps.Unit[Rows]:
    """Token ids to rows."""
    return steps.to_rows(unit, plan.shards, plan.tokenizer.end_of_text_id)


@step
def write(unit: steps.Unit[Rows], plan: Plan) -> int:
    """Rows to shards and a report in the work folder; the unit's number is all that comes back."""
    return steps.write_shards(unit, plan.work, plan.units, plan.shards.chunk_tokens, plan.tokenizer.vocab_size)


def _merged(split: SplitSettings) -> Callable[[Iterable[Any]], Smallest]:
    return functools.partial(merge, split)
