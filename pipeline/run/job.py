"""Settings in, a published folder of shards out: plan, run the Beam graph, balance the ledger, write the manifest."""

import functools
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.articles.article import Article
from pipeline.flow import Plan, graph
from pipeline.output.card import card
from pipeline.output.ledger import Unbalanced, UnitReport, check, replay
from pipeline.output.publish import REPORTS, numbered, publish, work_folder
from pipeline.output.resume import begin, finished, forget, plan_record, read_reports
from pipeline.output.shard_file import dataset_files, file_entry
from pipeline.prose.fast_path import prepare
from pipeline.run.beam import for_source, run_graph
from pipeline.run.progress import Progress
from pipeline.run.summary import Outcome
from pipeline.settings import ShardsSettings, SourceSettings, SplitSettings
from pipeline.source.plan import Source, open_source, read_unit
from pipeline.storage import ChangedError, Place, check_stamps, stamps
from pipeline.tokens.encoder import Encoder
from pipeline.tokens.encoder_pool import lend
from pipeline.unit.steps import clean_article
from wikilm import __version__
from wikilm.errors import RunError
from wikilm.shards.format import ARTICLES, CARD, DEAD_LETTERS, MANIFEST, SPLITS
from wikilm.shards.manifest import Counts, Manifest, SiteEntry, SplitEntry, manifest_bytes

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

    What an earlier run with the same inputs left unfinished is gone on from.

    Args:
        job: what to make.
        options: of Beam.
        say: told what the user should know, in single lines.

    Raises:
        UsageError: what was asked for is wrong.
        RunError: it could not be done; nothing was published, and the units that are done are kept.
    """
    encoder = Encoder(job.tokenizer)
    with work_folder(job.output) as lock:
        source = open_source(job.source)
        before = stamps(source.files)
        encoder.compare(_first_texts(source))
        if encoder.note:
            say(encoder.note)
        work, kept = _begin(source, job, encoder, say)
        plan = _plan(source, job, encoder, work)
        lend(encoder, plan.tokenizer_folder)
        sizes = [unit.bytes for unit in source.units]
        missing = [unit.bytes for unit in source.units if unit.number not in kept]
        options = for_source(options, source.is_wikitext, missing)
        prepare(source.is_wikitext, sum(missing))
        with _kept_when_it_fails(work, len(source.units)):
            began = time.monotonic()
            with Progress(work, sizes, 1 if job.split.take is None else 2):
                run_graph(functools.partial(graph, source=source, plan=plan, done=kept), options)
            seconds = time.monotonic() - began
            reports = read_reports(work)
            show = functools.partial(replay, job.source.path, source.limits)
            counts = check(reports, len(source.units), job.shards.chunk_tokens, job.shards.max_dead_fraction, show)
            manifest = _finish(work, source, plan, reports, counts)
            check_stamps(before)
            lock.check()
            publish(work, job.output)
    for line in _remarks(job.split, counts):
        say(line)
    made_tokens = sum(report.counts.tokens for report in reports if report.unit not in kept)
    return Outcome(manifest, len(kept), sum(missing), made_tokens, seconds)


def _begin(source: Source, job: Job, encoder: Encoder, say: Callable[[str], None]) -> tuple[Place, frozenset[int]]:
    """The work folder, and the units that an earlier run has done there."""
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
            if isinstance(error, Unbalanced | ChangedError):
                forget(work)
            elif done := len(numbered(work, REPORTS)):
                error.add_note(f"{done} of {units} units are done and kept, and the same command goes on from there")
        raise


def _first_texts(source: Source) -> list[str]:
    pages = itertools.chain.from_iterable(read_unit(unit, source.site) for unit in source.units[:1])
    articles = (page for page in pages if isinstance(page, Article))
    limit = source.limits.max_page_seconds
    texts = (clean_article(article, source.site, source.is_wikitext, limit) for article in articles)
    return list(itertools.islice((text for text in texts if isinstance(text, str)), ARTICLES_TO_COMPARE))


def _plan(source: Source, job: Job, encoder: Encoder, work: Place) -> Plan:
    return Plan(
        site=source.site,
        is_wikitext=source.is_wikitext,
        max_page_seconds=source.limits.max_page_seconds,
        units=len(source.units),
        split=job.split,
        shards=job.shards,
        tokenizer_folder=job.tokenizer.absolute(),
        tokenizer=encoder.entry,
        engine=encoder.engine,
        work=work,
    )


def _finish(work: Place, source: Source, plan: Plan, reports: Sequence[UnitReport], counts: Counts) -> Manifest:
    """Write all that stands beside the shards into the work folder, the manifest too, which is not final there."""
    shards = [shard for name in SPLITS for report in reports for shard in report.shards if shard.split == name]
    tables = [table for report in reports for table in report.articles]
    articles = [table for name in SPLITS for table in tables if table.path.startswith(f"{ARTICLES}/{name}-")]
    files = dataset_files(shards, plan.shards.chunk_tokens, plan.tokenizer.vocab_size)
    letters = [
        letter.model_dump() | {"replay": replay(source.entry.name, source.limits, letter)}
        for report in reports
        for letter in report.dead_letters
    ]
    lines = [json.dumps(letter, ensure_ascii=False) + "\n" for letter in letters]
    files[DEAD_LETTERS] = ("".join(lines) or "\n").encode()  # never 0 bytes, of which DVC warns; readers skip the line
    for path, data in files.items():
        work.write(path, data)
    site = source.site
    manifest = Manifest(
        version=__version__,
        source=source.entry,
        site=SiteEntry(language=site.language, name=site.name, database=site.database, base=site.base),
        limits=source.limits,
        tokenizer=plan.tokenizer,
        split=SplitEntry(
            seed=plan.split.seed,
            validation_fraction=plan.split.validation_fraction,
            take=list(plan.split.take) if plan.split.take is not None else None,
        ),
        chunk_tokens=plan.shards.chunk_tokens,
        chunking=plan.shards.chunking,
        counts=counts,
        shards=shards,
        articles=articles,
        files=[file_entry(path, data) for path, data in files.items()],
    )
    text = card(manifest).encode()
    work.write(CARD, text)
    manifest = manifest.model_copy(update={"files": [*manifest.files, file_entry(CARD, text)]})
    work.write(MANIFEST, manifest_bytes(manifest))
    _sweep(work, {entry.path for entry in manifest.entries})
    return manifest


def _sweep(work: Place, wanted: set[str]) -> None:
    """Remove what a worker left that was stopped while it wrote: temporary files among the shards."""
    folders = {path.split("/")[0] for path in wanted if "/" in path}
    for path in work.sizes():
        if path.split("/")[0] in folders and path not in wanted:
            work.remove(path)


def _remarks(split: SplitSettings, counts: Counts) -> list[str]:
    """What a user should know about a run that went well."""
    remarks = []
    if split.take is not None:
        for name, asked, there in zip(
            SPLITS, split.take, (counts.train_articles, counts.validation_articles), strict=True
        ):
            if there < asked:
                remarks.append(
                    f"only {there} of the {asked} {name} articles that --take asks for are there; "
                    f"another --validation-fraction (now {split.validation_fraction}) moves articles between the sides"
                )
    if counts.dead_letters:
        remarks.append(
            f"{counts.dead_letters} pages could not be read or cleaned: {DEAD_LETTERS} in the output has each of them, "
            "with the command that shows it in the folder of the source; elsewhere, --source takes its path or address"
        )
    return remarks
