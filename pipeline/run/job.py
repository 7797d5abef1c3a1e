"""Make the shards of a source or several: plan them, run the Beam graph, balance the ledger, publish what was made."""

import functools
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.articles import Article
from pipeline.duplicates import prepare as prepare_prints
from pipeline.output import (
    ENCODED,
    DeadLetterRecord,
    NoRows,
    Unbalanced,
    UnitReport,
    begin,
    check,
    finished,
    forget,
    plan_record,
    replay,
    units_kept,
    work_folder,
)
from pipeline.output.canaries import plant
from pipeline.output.finish import finish
from pipeline.output.publish import publish
from pipeline.output.remarks import remarks, remarks_on_wikis
from pipeline.prose.cleaner import Cleaner
from pipeline.prose.fast_path import prepare
from pipeline.run.beam import for_source
from pipeline.run.redirects import with_redirects
from pipeline.run.summary import Outcome
from pipeline.run.units import run_units
from pipeline.settings import ShardsSettings, SourceSettings, SplitSettings
from pipeline.source import Mixture, open_mixture
from pipeline.storage import ChangedError, Place, check_stamps, stamps
from pipeline.tokens import Encoder, EncoderSpec, encoder_pool
from pipeline.unit import Recipe, cleaners_of
from wikilm.errors import RunError, UsageError

ARTICLES_TO_COMPARE = 8  # of each source, encoded by both engines before the run begins


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
        mixture = open_mixture(job.source)
        if job.shards.canaries and not mixture.is_plain:
            raise UsageError("--canaries (shards.canaries): is for all of one source; set it to 0, or name one source")
        before = stamps(mixture.files)
        cleaners = cleaners_of(mixture)
        encoder.compare(_first_texts(mixture, cleaners))
        if encoder.note:
            say(encoder.note)
        work = _begin(mixture, job, encoder, say)
        kept, encoded = _kept(work, len(mixture.units), job.shards, say)
        spec = EncoderSpec(job.tokenizer.absolute(), encoder.engine, encoder.entry)
        encoder_pool.put(encoder, spec)
        recipe = Recipe(cleaners, job.split, work, spec, job.shards, len(mixture.units))
        missing = [unit.bytes for unit in mixture.units if unit.number not in kept | encoded]
        prepare(mixture.is_wikitext, sum(missing))
        if note := prepare_prints(job.shards):
            say(note)
        with _kept_when_it_fails(work, len(mixture.units)):
            began = time.monotonic()
            recipe = with_redirects(recipe, mixture, for_source(options, mixture.is_wikitext, missing))
            reports = run_units(mixture, recipe, options, kept, encoded, say)
            seconds = time.monotonic() - began
            show = functools.partial(_replay, mixture)
            counts = check(reports, len(mixture.units), job.shards.chunk_tokens, job.shards.max_dead_fraction, show)
            notes = list(remarks(counts, job.split, job.shards))
            planted = plant(work, job.shards, job.split.seed, len(mixture.units), encoder)
            manifest = finish(work, mixture, job.split, job.shards, encoder.entry, reports, counts, planted)
            notes += remarks_on_wikis(manifest)
            check_stamps(before)
            lock.check()
            publish(work, job.output)
    for note in notes:
        say(note)
    made_tokens = sum(report.counts.tokens for report in reports if report.unit not in kept)
    return Outcome(manifest, len(kept), sum(missing), made_tokens, seconds)


def _begin(mixture: Mixture, job: Job, encoder: Encoder, say: Callable[[str], None]) -> Place:
    """Return the work folder, with what an interrupted run has done there."""
    record = plan_record(mixture, job.source, job.split, job.shards, encoder.entry)
    work, notes = begin(job.output, record)
    for note in notes:
        say(note)
    return work


def _kept(
    work: Place, units: int, shards: ShardsSettings, say: Callable[[str], None]
) -> tuple[frozenset[int], frozenset[int]]:
    """Return the units that an interrupted run has done, and those that it has encoded to compare them."""
    done = frozenset(report.unit for report in finished(work, units))
    encoded = frozenset[int]()
    if shards.deduplicate != "none":
        encoded = frozenset(report.unit for report in finished(work, units, ENCODED))
        done &= encoded  # what is compared must be there
    if done:
        say(f"{len(done)} of {units} units are done already")
    if encoded - done:
        say(f"{len(encoded - done)} of {units} units are encoded already")
    return done, encoded


@contextmanager
def _kept_when_it_fails(work: Place, units: int) -> Iterator[None]:
    """Say with an error what is kept of a run; of one that does not balance, nothing is."""
    try:
        yield
    except BaseException as error:
        with suppress(OSError, RunError):  # a store that fails must not hide why the run did
            if isinstance(error, Unbalanced | ChangedError | NoRows):
                forget(work)
            elif done := units_kept(work):
                error.add_note(f"{done} of {units} units are done and kept; give the same command again to resume")
        raise


def _first_texts(mixture: Mixture, cleaners: Sequence[Cleaner]) -> list[str]:
    """Return some texts of each source."""
    found: list[str] = []
    for source, cleaner in zip(mixture.sources, cleaners, strict=True):
        pages = itertools.chain.from_iterable(unit.pages(source.site) for unit in source.units[:1])
        texts = (cleaner.prose(page) for page in pages if isinstance(page, Article))
        found += itertools.islice((text for text in texts if isinstance(text, str)), ARTICLES_TO_COMPARE)
    return found


def _replay(mixture: Mixture, unit: UnitReport, letter: DeadLetterRecord) -> str:
    return replay(mixture.paths[unit.wiki], mixture.limits, mixture.sources[unit.wiki].limits.columns, letter)
