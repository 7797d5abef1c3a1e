"""Count the words of the training articles of all sources, on a Beam runner with any number of workers."""

import functools
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.flow import word_graph
from pipeline.prose import prepare
from pipeline.run.beam import for_source, run_graph
from pipeline.run.progress import Progress
from pipeline.run.redirects import with_redirects
from pipeline.settings import SplitSettings
from pipeline.source import Mixture
from pipeline.storage import Place, check_stamps, exclusive, stamps
from pipeline.unit import Counted, Counting, cleaners_of, counted_words, parts_of
from wikilm.errors import UsageError

REMOVALS = 3  # of the work folder: after a failure, workers that have not stopped yet may still write there
LOCK = "lock"
OURS = re.compile(r"\.?lock(\.[0-9a-f]{32})?|[0-9a-f]{32}")  # what a run leaves in its folder that is killed


def count_words_of(mixture: Mixture, split: SplitSettings, beside: Path, options: PipelineOptions) -> Counted:
    """Count the words of the training articles.

    Args:
        mixture: the sources that they are in.
        split: which of them are for training, and which of these are taken.
        beside: workers write into a folder beside this one, which is gone in the end; all of them can reach it.
        options: of Beam.

    Raises:
        UsageError: another run counts words for the same folder.
        RunError: a step failed, or a source has changed meanwhile.
    """
    before, unit_bytes = stamps(mixture.files), [unit.bytes for unit in mixture.units]
    with _work_folder(beside) as work:
        options = for_source(options, True, unit_bytes)  # to count is Python's work, as cleaning is
        counting = Counting(cleaners_of(mixture), split, work, len(unit_bytes), parts_of(sum(unit_bytes)))
        counting = with_redirects(counting, mixture, options)
        prepare(mixture.is_wikitext, sum(unit_bytes))
        with Progress(work, unit_bytes, 1 if split.take is None else 2, label="words"):
            run_graph(functools.partial(word_graph, units=mixture.units, recipe=counting), options)
        check_stamps(before)
        return counted_words(counting)


@contextmanager
def _work_folder(beside: Path) -> Iterator[Place]:
    """Hold a folder for the workers, which is gone in the end, with all that a run has left in it that was killed.

    The workers of such a run may still be alive somewhere on a cluster, so each run has a folder of its own in it.
    """
    root = Place(str(beside.absolute().with_name(f".{beside.name}.words")))
    if root.path.is_symlink() or (root.path.exists() and not root.path.is_dir()):
        raise UsageError(f"{root}: is not a folder of this command; remove it, or name another --output")
    root.path.mkdir(parents=True, exist_ok=True)
    if foreign := [name for name in (*root.names(), *root.folders()) if not OURS.fullmatch(name)]:
        raise UsageError(f"{root}: holds {foreign[0]!r}, which this command did not make; name another --output")
    with exclusive(root, LOCK):
        for run in root.folders():
            root.remove(run)
        try:
            work = root.inside(uuid.uuid4().hex)
            work.path.mkdir()
            yield work
        finally:
            for _ in range(REMOVALS):
                shutil.rmtree(root.path, ignore_errors=True)
