"""Know the redirects of a dump that lead to known templates, before its texts are cleaned."""

import functools
from dataclasses import replace
from typing import TypeVar

from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.flow import redirect_graph
from pipeline.output import REDIRECTS, numbered
from pipeline.run.beam import run_graph
from pipeline.run.progress import Progress
from pipeline.source import Mixture
from pipeline.unit import Reading, read_redirects

R = TypeVar("R", bound=Reading)


def with_redirects(recipe: R, mixture: Mixture, options: PipelineOptions) -> R:
    """Return a recipe whose cleaners know the redirects of their wikis; unchanged where the user asks for none.

    What was found is in the work folder, unit by unit, so that an interrupted run resumes; it depends on neither the
    runner nor its workers.

    Raises:
        RunError: a source is damaged, or has more redirects to known templates than any wiki.
    """
    if not mixture.limits.template_redirects or not mixture.is_wikitext:
        return recipe
    done = frozenset(numbered(recipe.work, REDIRECTS))
    if len(done) < len(mixture.units):
        with Progress(recipe.work, [unit.bytes for unit in mixture.units], label=REDIRECTS):
            run_graph(functools.partial(redirect_graph, units=mixture.units, recipe=recipe, done=done), options)
    cleaners = []
    for cleaner, wiki in zip(recipe.cleaners, mixture.wikis, strict=True):
        units = [unit.number for unit in mixture.units if unit.wiki == wiki]
        cleaners.append(cleaner.with_redirects(functools.partial(read_redirects, recipe.work, units)))
    return replace(recipe, cleaners=tuple(cleaners))
