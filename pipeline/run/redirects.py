"""Know the redirects of a dump that lead to known templates, before its texts are cleaned."""

import functools
from dataclasses import replace
from typing import TypeVar

from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.flow import redirect_graph
from pipeline.output import REDIRECTS, numbered
from pipeline.run.beam import run_graph
from pipeline.run.progress import Progress
from pipeline.source import Source
from pipeline.unit import Reading, read_redirects

R = TypeVar("R", bound=Reading)


def with_redirects(recipe: R, source: Source, options: PipelineOptions) -> R:
    """Return a recipe whose cleaner knows the redirects of the source; unchanged where the user asks for none.

    What was found is in the work folder, unit by unit, so that an interrupted run resumes; it depends on neither the
    runner nor its workers.

    Raises:
        RunError: the source is damaged, or has more redirects to known templates than any wiki.
    """
    if not source.limits.template_redirects or not source.is_wikitext:
        return recipe
    done = frozenset(numbered(recipe.work, REDIRECTS))
    if len(done) < len(source.units):
        with Progress(recipe.work, [unit.bytes for unit in source.units], label="redirects", looks_in=REDIRECTS):
            run_graph(functools.partial(redirect_graph, units=source.units, recipe=recipe, done=done), options)
    found = functools.partial(read_redirects, recipe.work, len(source.units))
    return replace(recipe, cleaner=recipe.cleaner.with_redirects(found))
