"""The Beam graphs: from the work units of a source to shards or counted words in a work folder. Read them aloud.

Where copies are left out, shards take three graphs: a unit can be cut into rows only when all units are known, and
bands leave equal texts aside. The last two in one would need more network buffers than Flink has as it comes.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

import apache_beam as beam

from pipeline.articles import Selection, Smallest, merge, selection
from pipeline.duplicates import Comparison
from pipeline.settings import SplitSettings
from pipeline.source import WorkUnit
from pipeline.unit import Counting, Reading, Recipe, Stream, counting, encoded, failure, steps
from wikilm.errors import RunError

T = TypeVar("T")
NOT_FUSED = "the runner does not fuse the steps of the graph, which hand on what cannot be stored"


def graph(
    pipeline: beam.Pipeline, units: Iterable[WorkUnit], recipe: Recipe, done: frozenset[int] = frozenset()
) -> beam.PCollection[int]:
    """Make shards of units, those aside that an earlier run has `done`."""
    return (
        texts_of_missing(pipeline, units, recipe, done)
        | "encode them as token ids" >> beam.Map(steps.encode, recipe)
        | "cut the ids into rows" >> beam.Map(steps.cut, recipe)
        | "write the rows as shards" >> beam.Map(steps.write, recipe)
    )


def encoding_graph(
    pipeline: beam.Pipeline, units: Iterable[WorkUnit], recipe: Recipe, done: frozenset[int] = frozenset()
) -> beam.PCollection[int]:
    """Encode units, and keep what their texts can be compared by."""
    return (
        texts_of_missing(pipeline, units, recipe, done)
        | "take the prints of the texts" >> beam.Map(encoded.take_prints, recipe)
        | "encode them as token ids" >> beam.Map(steps.encode, recipe)
        | "keep the ids until copies are known" >> beam.Map(encoded.keep, recipe)
    )


def equal_graph(pipeline: beam.Pipeline, comparison: Comparison) -> beam.PCollection[int]:
    """Find the pairs of articles that are equal, in units that are all encoded."""
    return spread_out(pipeline, comparison.digest_tasks, "the digests of the texts") | (
        "find the pairs that are equal by them" >> beam.Map(encoded.match, comparison)
    )


def graph_without_copies(
    pipeline: beam.Pipeline, units: Iterable[WorkUnit], recipe: Recipe, done: frozenset[int], comparison: Comparison
) -> beam.PCollection[int]:
    """Make shards of units that are all encoded, once equal articles are known, without those that are copies."""
    copies = (
        spread_out(pipeline, comparison.band_tasks, "the bands of the prints")
        | "find the pairs that are alike by it" >> beam.Map(encoded.match, comparison)
        | "when all are found" >> beam.CombineGlobally(sum)
        | "choose which articles are kept" >> beam.Map(encoded.choose, comparison)
    )
    return (
        spread_out(pipeline, units)
        | "that are not cut yet" >> beam.Filter(is_missing, done)
        | "take up their ids" >> beam.Map(encoded.take_up, recipe, copies=beam.pvalue.AsSingleton(copies))
        | "cut the ids into rows" >> beam.Map(steps.cut, recipe)
        | "write the rows as shards" >> beam.Map(steps.write, recipe)
    )


def word_graph(pipeline: beam.Pipeline, units: Iterable[WorkUnit], recipe: Counting) -> beam.PCollection[int]:
    """Count the words of units, which a tokenizer is made of; where pages are repeated, those of the newest alone."""
    spread = spread_out(pipeline, units)
    selected = articles_taken(pipeline, spread, recipe)
    counted = texts(spread, recipe, selected) | "count the words of those for training" >> beam.Map(
        counting.count, recipe
    )
    stale = beam.pvalue.AsSingleton(
        pipeline
        | "when all are counted" >> beam.Create([None])
        | "find the units with older revisions" >> beam.Map(counting.find_older, recipe, beam.pvalue.AsIter(counted))
    )
    newest = replace(recipe, leaves_out_repeats=True)
    again = texts(spread | "those units" >> beam.Filter(is_of, stale), newest, selected, "without these: ") | (
        "count their words again" >> beam.Map(counting.count, newest)
    )
    return spread_out(pipeline, range(recipe.parts), "the parts of all words") | "add up their counts" >> beam.Map(
        counting.add_up, recipe, stale, beam.pvalue.AsIter(again)
    )


def redirect_graph(
    pipeline: beam.Pipeline, units: Iterable[WorkUnit], recipe: Reading, done: frozenset[int] = frozenset()
) -> beam.PCollection[int]:
    """Find the redirects between templates in units, those aside that an earlier run has `done`."""
    return (
        pipeline
        | "the work units of the source" >> beam.Create(units, reshuffle=False)
        | "that are not looked through yet" >> beam.Filter(is_missing, done)
        | "spread them over the workers" >> beam.Reshuffle()
        | "find the redirects between templates" >> beam.Map(steps.find_redirects, recipe)
    )


def spread_out(
    pipeline: beam.Pipeline, work: Iterable[T], label: str = "the work units of the source"
) -> beam.PCollection[T]:
    """Spread work over the workers; from here on each piece stays in one, where fused steps hand on streams."""
    return pipeline | label >> beam.Create(work, reshuffle=False) | f"spread {label}" >> beam.Reshuffle()


def texts_of_missing(
    pipeline: beam.Pipeline, units: Iterable[WorkUnit], recipe: Reading, done: frozenset[int]
) -> beam.PCollection[Stream]:
    """Read and clean the articles that are taken, those of units aside that an earlier run has `done`."""
    spread = spread_out(pipeline, units)
    selected = articles_taken(pipeline, spread, recipe)
    return texts(spread | "that are not done yet" >> beam.Filter(is_missing, done), recipe, selected)


def texts(
    units: beam.PCollection[WorkUnit], recipe: Reading, selected: beam.pvalue.AsSingleton, label: str = ""
) -> beam.PCollection[Stream]:
    """Read and clean the articles of units."""
    return (
        units
        | f"{label}read the articles of each" >> beam.Map(steps.read, recipe, selected=selected)
        | f"{label}clean their texts" >> beam.Map(steps.clean, recipe)
    )


def articles_taken(
    pipeline: beam.Pipeline, units: beam.PCollection[WorkUnit], recipe: Reading
) -> beam.pvalue.AsSingleton:
    """Take all articles, or, after a first look through the units, those with the smallest digests."""
    if recipe.split.take is None:
        return beam.pvalue.AsSingleton(pipeline | "all articles are taken" >> beam.Create([Selection(recipe.split)]))
    return beam.pvalue.AsSingleton(
        units
        | "look through each for its smallest digests" >> beam.Map(steps.find_smallest, recipe)
        | "keep the smallest of all" >> beam.CombineGlobally(_merged(recipe.split))
        | "those are taken" >> beam.Map(functools.partial(selection, recipe.split))
    )


def is_missing(unit: WorkUnit, done: frozenset[int]) -> bool:
    """Return whether a unit's shards are still to be made."""
    return unit.number not in done


def is_of(unit: WorkUnit, numbers: frozenset[int]) -> bool:
    """Return whether a unit is one of those with these numbers."""
    return unit.number in numbers


def _merged(split: SplitSettings) -> Callable[[Iterable[Any]], Smallest]:
    return functools.partial(merge, split)


class NeverStored(beam.coders.Coder):
    """The coder of streams, which never leave a worker: a runner that would store one is refused.

    It also spares Beam's metrics the encoding of elements for the sake of their size.
    """

    def encode(self, value: Stream) -> bytes:
        """Refuse."""
        raise RunError(failure(NOT_FUSED))

    def decode(self, encoded: bytes) -> Stream:
        """Refuse, too."""
        raise RunError(failure(NOT_FUSED))

    def estimate_size(self, value: Stream) -> int:
        """Return a constant, since a stream has no size before it has run."""
        return 1

    def is_deterministic(self) -> bool:
        """Return True, as good as any: nothing is encoded."""
        return True

    def to_type_hint(self) -> type[Stream]:
        """Return the type of the elements."""
        return Stream


beam.coders.registry.register_coder(Stream, NeverStored)
