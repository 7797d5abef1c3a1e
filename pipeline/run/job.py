"""Make the shards of a source: plan it, run the Beam graph, balance the ledger, publish what was made."""

import functools
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.articles.article import Article
from pipeline.flow import graph
from pipeline.output.finish import finish
from pipeline.output.ledger import Unbalanced, check, replay
from pipeline.output.publish import publish, work_folder
from pipeline.output.reports import REPORTS, numbered, read_reports
from pipeline.output.resume import begin, finished, forget, plan_record
from pipeline.prose.cleaner import Cleaner
from pipeline.prose.fast_path import prepare
from pipeline.run.beam import for_source, run_graph
from pipeline.run.progress import Progress
from pipeline.run.summary import Outcome
from pipeline.settings import ShardsSettings, SourceSettings, SplitSettings
from pipeline.source.plan import Source, open_source
from pipeline.storage.place import Place
from pipeline.storage.reading import Changed, check_stamps, stamps
from pipeline.tokens import encoder_pool
from pipeline.tokens.encoder import Encoder
from pipeline.tokens.encoder_pool import EncoderSpec
from pipeline.unit.steps import Recipe, cleaner_of
from wikilm.errors import RunError
from wikilm.shards import DEAD_LETTERS, SPLITS, Counts

ARTICLES_TO_COMPARE = 8  # encoded by both engines before the run begins


@dataclass(frozen=True)
class Job:
    """What the user asks for: sections of params.yaml, the tokenizer's folder, and where the shards go."""

    source: SourceSettings
    split: SplitSettings
    shards: ShardsSettings
    tokenizer: Path
    output: Place


def make_shards(job: Job, options: PipelineOptions, say: Callable[[str], None]) -> Outcome:
    """Make the shards of a source and publish them in the output, which may hold an earlier set: that is replaced.

    An interrupted run with the same inputs is resumed.

    Args:
        job: what to make.
        options: of Beam.
        say: called with each line that the user should read.

    Raises:
        UsageError: what was asked for is wrong.
        RunError: it could not be done; nothing was published, and the units that are done are kept.
    """
    encoder = Encoder(job.tokenizer)
    with work_folder(job.output) as lock:
        source = open_source(job.source)
        before = stamps(source.files)
        cleaner = cleaner_of(source)
        encoder.compare(_first_texts(source, cleaner))
        if encoder.note:
            say(encoder.note)
        work, kept = _begin(source, job, encoder, say)
        spec = EncoderSpec(job.tokenizer.absolute(), encoder.engine, encoder.entry)
        encoder_pool.put(encoder, spec)
        recipe = Recipe(cleaner, job.split, work, spec, job.shards, len(source.units))
        missing = [unit.bytes for unit in source.units if unit.number not in kept]
        options = for_source(options, source.is_wikitext, missing)
        prepare(source.is_wikitext, sum(missing))
        with _kept_when_it_fails(work, len(source.units)):
            began = time.monotonic()
            with Progress(work, [unit.bytes for unit in source.units], 1 if job.split.take is None else 2):
                run_graph(functools.partial(graph, units=source.units, recipe=recipe, done=kept), options)
            seconds = time.monotonic() - began
            reports = read_reports(work)
            show = functools.partial(replay, job.source.path, source.limits)
            counts = check(reports, len(source.units), job.shards.chunk_tokens, job.shards.max_dead_fraction, show)
            manifest = finish(work, source, job.split, job.shards, encoder.entry, reports, counts)
            check_stamps(before)
            lock.check()
            publish(work, job.output)
    for line in _remarks(job.split, counts):
        say(line)
    made_tokens = sum(report.counts.tokens for report in reports if report.unit not in kept)
    return Outcome(manifest, len(kept), sum(missing), made_tokens, seconds)


def _begin(source: Source, job: Job, encoder: Encoder, say: Callable[[str], None]) -> tuple[Place, frozenset[int]]:
    """Return the work folder, and the units that an interrupted run has done there."""
    record = plan_record(source.entry, job.source, job.split, job.shards, encoder.entry)
    work, notes = begin(job.output, record)
    kept = frozenset(report.unit for report in finished(work, len(source.units)))
    if kept:
        notes.append(f"{len(kept)} of {len(source.units)} units are done already")
    for note in notes:
        say(note)
    return work, kept


@contextmanager
def _kept_when_it_fails(work: Place, units: int) -> Iterator[None]:
    """Say with an error what is kept of a run; of one that does not balance, nothing is."""
    try:
        yield
    except BaseException as error:
        with suppress(OSError, RunError):  # a store that fails must not hide why the run did
            if isinstance(error, Unbalanced | Changed):
                forget(work)
            elif done := len(numbered(work, REPORTS)):
                error.add_note(f"{done} of {units} units are done and kept; give the same command again to resume")
        raise


def _first_texts(source: Source, cleaner: Cleaner) -> list[str]:
    pages = itertools.chain.from_iterable(unit.pages(source.site) for unit in source.units[:1])
    texts = (cleaner.prose(page) for page in pages if isinstance(page, Article))
    return list(itertools.islice((text for text in texts if isinstance(text, str)), ARTICLES_TO_COMPARE))


def _remarks(split: SplitSettings, counts: Counts) -> list[str]:
    """Return remarks that a user should read after a run that went well."""
    remarks = []
    if split.take is not None:
        for name, asked, there in zip(
            SPLITS, split.take, (counts.train_articles, counts.validation_articles), strict=True
        ):
            if there < asked:
                remarks.append(
                    f"only {there} of the {asked} {name} articles that --take asks for are there; "
                    f"another --validation-fraction (now {split.validation_fraction}) moves articles between the splits"
                )
    if counts.dead_letters:
        remarks.append(
            f"{counts.dead_letters} pages could not be read or cleaned: {DEAD_LETTERS} in the output has each of them, "
            "with the command that shows it in the folder of the source; elsewhere, --source takes its path or address"
        )
    return remarks
