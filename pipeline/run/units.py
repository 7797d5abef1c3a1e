"""Make the shards of all units, in as many Beam graphs as it takes: what is known only once all are read comes after.

First, units with older revisions of a page that comes again are made again without them. Then, where copies are left
out, all units that are encoded are compared and cut into rows.
"""

import functools
from collections.abc import Callable
from dataclasses import replace

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.duplicates import Comparison
from pipeline.flow import encoding_graph, equal_graph, graph, graph_without_copies
from pipeline.output import (
    ENCODED,
    REPORTS,
    UnitReport,
    find_repeats,
    read_reports,
    stale,
    unit_file,
    write_repeats,
)
from pipeline.run.beam import for_source, run_graph
from pipeline.run.progress import COPIES, IDS, SHARDS, Progress
from pipeline.source import Mixture
from pipeline.unit import Recipe

Build = Callable[..., beam.PCollection[int]]


def run_units(
    mixture: Mixture,
    recipe: Recipe,
    options: PipelineOptions,
    done: frozenset[int],
    encoded: frozenset[int],
    say: Callable[[str], None],
) -> list[UnitReport]:
    """Make the shards of those units that are not done.

    Args:
        mixture: of the units.
        recipe: how shards are made.
        options: of Beam, from `beam_options`.
        done: units that an interrupted run has done.
        encoded: units that it has encoded, where copies are left out.
        say: called with each line that the user should read.

    Returns:
        The reports of all units, in the order of the source.
    """
    if recipe.shards.deduplicate == "none":
        return _without_repeats(mixture, recipe, options, done, say, graph, REPORTS)
    reports = _without_repeats(mixture, recipe, options, encoded, say, encoding_graph, ENCODED)
    articles = [report.counts.train_articles + report.counts.validation_articles for report in reports]
    comparison = Comparison(recipe.work, articles, recipe.shards)
    sizes = [unit.bytes for unit in mixture.units]
    with Progress(recipe.work, sizes, label=COPIES):
        build = functools.partial(
            graph_without_copies, units=mixture.units, recipe=recipe, done=done, comparison=comparison
        )
        for part in (functools.partial(equal_graph, comparison=comparison), build):
            run_graph(part, for_source(options, False, sizes))  # what is left to do is as with plain text
    return read_reports(recipe.work)


def _without_repeats(
    mixture: Mixture,
    recipe: Recipe,
    options: PipelineOptions,
    done: frozenset[int],
    say: Callable[[str], None],
    build: Build,
    folder: str,
) -> list[UnitReport]:
    """Make units, and those again that have a page of which there is a newer revision; return the reports of all."""
    work = recipe.work
    _run(mixture, recipe, options, done, build, folder)
    reports = read_reports(work, folder)
    repeats = find_repeats(work, reports)
    again = {report.unit for report in reports if stale(report, repeats)}
    if not again:
        return reports
    pages = sum(map(len, repeats.values()))
    say(f"{pages} pages are older revisions of others: {len(again)} units are made again without them")
    write_repeats(work, repeats)
    for unit in again:
        work.remove(unit_file(folder, unit))
    done = frozenset(report.unit for report in reports) - again
    _run(mixture, replace(recipe, leaves_out_repeats=True), options, done, build, folder)
    return read_reports(work, folder)


def _run(
    mixture: Mixture, recipe: Recipe, options: PipelineOptions, done: frozenset[int], build: Build, folder: str
) -> None:
    """Run a graph over the units that are not done, and show the progress."""
    label, passes = SHARDS if folder == REPORTS else IDS, 1 if recipe.split.take is None else 2
    missing = [unit.bytes for unit in mixture.units if unit.number not in done]
    with Progress(recipe.work, [unit.bytes for unit in mixture.units], passes, label=label):
        run_graph(
            functools.partial(build, units=mixture.units, recipe=recipe, done=done),
            for_source(options, mixture.is_wikitext, missing),
        )
