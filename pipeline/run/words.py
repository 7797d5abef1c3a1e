"""Count the words of the training articles of all sources, on a Beam runner with any number of workers."""

import functools
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.flow import word_graph
from pipeline.prose.fast_path import prepare
from pipeline.run.beam import for_source, run_graph
from pipeline.run.progress import Progress
from pipeline.run.redirects import with_redirects
from pipeline.settings import SplitSettings
from pipeline.source import Mixture
from pipeline.storage.place import Place
from pipeline.storage.reading import check_stamps, stamps
from pipeline.unit import Reading, cleaners_of, counted_words

REMOVALS = 3  # of the work folder: after a failure, workers that have not stopped yet may still write there


def count_words_of(mixture: Mixture, split: SplitSettings, beside: Path, options: PipelineOptions) -> pa.Table:
    """Count the words of the training articles.

    Args:
        mixture: the sources that they are in.
        split: which of them are for training, and which of these are taken.
        beside: workers write into a folder beside this one, which is gone in the end; all of them can reach it.
        options: of Beam.

    Returns:
        Each word once, with its count (see `pipeline.tokens.words.COLUMNS`).

    Raises:
        RunError: a step failed, or a source has changed meanwhile.
    """
    before, unit_bytes = stamps(mixture.files), [unit.bytes for unit in mixture.units]
    with _work_folder(beside) as work:
        options = for_source(options, True, unit_bytes)  # to count is Python's work, as cleaning is
        reading = with_redirects(Reading(cleaners_of(mixture), split, work), mixture, options)
        prepare(mixture.is_wikitext, sum(unit_bytes))
        with Progress(work, unit_bytes, 1 if split.take is None else 2, label="words"):
            run_graph(functools.partial(word_graph, units=mixture.units, recipe=reading), options)
        check_stamps(before)
        return counted_words(work, len(mixture.units))


@contextmanager
def _work_folder(beside: Path) -> Iterator[Place]:
    folder = beside.absolute().with_name(f".{beside.name}.{uuid.uuid4().hex}")
    folder.mkdir(parents=True)
    try:
        yield Place(str(folder))
    finally:
        for _ in range(REMOVALS):
            shutil.rmtree(folder, ignore_errors=True)
