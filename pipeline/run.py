"""Settings in, a published folder of shards out: plan, run the Beam graph, balance the ledger, write the manifest."""

import functools
import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.article import Article
from pipeline.clean_text import text_of
from pipeline.encoder import Encoder
from pipeline.flow import CHOSEN, Plan, graph
from pipeline.folder import publish, work_folder
from pipeline.ledger import UnitReport, check
from pipeline.progress import Progress
from pipeline.runner import run_graph
from pipeline.settings import ShardsSettings, SourceSettings, SplitSettings
from pipeline.shard import dataset_files, file_entry, write_whole
from pipeline.shard_format import DEAD_LETTERS, SPLITS, Counts, Manifest, SplitEntry, manifest_bytes
from pipeline.source import Source, open_source, read_unit
from pipeline.unit import REPORTS, read_reports

ARTICLES_TO_COMPARE = 8  # encoded by both engines before the run begins


def make_shards(
    source: SourceSettings,
    split: SplitSettings,
    shards: ShardsSettings,
    tokenizer: Path,
    output: Path,
    options: PipelineOptions,
    say: Callable[[str], None],
) -> Counts:
    """Make the shards of a source and publish them in `output`.

    Args:
        source: where articles come from.
        split: which of them are for training, for validation, or for neither.
        shards: how they become rows.
        tokenizer: folder made by `python -m pipeline.tokenizer`.
        output: new, empty, or holding an earlier set, which is replaced.
        options: of Beam.
        say: told what the user should know, in single lines.

    Raises:
        UsageError: what was asked for is wrong.
        RunError: it could not be done; nothing was published.
    """
    encoder = Encoder(tokenizer)
    with work_folder(output) as work:
        opened = open_source(source)
        encoder.compare(_first_texts(opened))
        if encoder.note:
            say(encoder.note)
        plan = _plan(opened, split, shards, tokenizer, encoder, work)
        folders = [work / CHOSEN, work / REPORTS] if split.take is not None else [work / REPORTS]
        with Progress(folders, [unit.bytes for unit in opened.units]):
            run_graph(functools.partial(graph, source=opened, plan=plan), options)
        reports = read_reports(work)
        counts = check(reports, len(opened.units), shards.chunk_tokens, shards.max_dead_fraction)
        publish(work, output, _finish(work, opened, plan, reports, counts))
    for line in _remarks(split, counts):
        say(line)
    return counts


def _first_texts(source: Source) -> list[str]:
    pages = itertools.chain.from_iterable(read_unit(unit, source.site) for unit in source.units[:1])
    articles = (page for page in pages if isinstance(page, Article))
    return [
        text_of(article, source.site, is_wikitext=source.is_wikitext)
        for article in itertools.islice(articles, ARTICLES_TO_COMPARE)
    ]


def _plan(
    source: Source, split: SplitSettings, shards: ShardsSettings, tokenizer: Path, encoder: Encoder, work: Path
) -> Plan:
    return Plan(
        name=source.entry.name,
        site=source.site,
        is_wikitext=source.is_wikitext,
        units=len(source.units),
        split=split,
        shards=shards,
        tokenizer_folder=tokenizer.absolute(),
        tokenizer=encoder.entry,
        engine=encoder.engine,
        work=work.absolute(),
    )


def _finish(work: Path, source: Source, plan: Plan, reports: Sequence[UnitReport], counts: Counts) -> Path:
    """Write all that stands beside the shards into the work folder; returns the manifest's place, not its final one."""
    shards = [shard for name in SPLITS for report in reports for shard in report.shards if shard.split == name]
    files: dict[str, bytes] = {}
    for name in SPLITS:
        of_split = [shard for shard in shards if shard.split == name]
        files |= dataset_files(name, of_split, plan.shards.chunk_tokens, plan.tokenizer.vocab_size)
    letters = [letter.model_dump() for report in reports for letter in report.dead_letters]
    files[DEAD_LETTERS] = "".join(json.dumps(letter, ensure_ascii=False) + "\n" for letter in letters).encode()
    for path, data in files.items():
        write_whole(work / path, data)
    _sweep(work, {shard.path for shard in shards} | set(files))
    manifest = Manifest(
        source=source.entry,
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
        files=[file_entry(path, data) for path, data in files.items()],
    )
    write_whole(work / "manifest", manifest_bytes(manifest))
    return work / "manifest"


def _sweep(work: Path, wanted: set[str]) -> None:
    """Remove what a worker left that was stopped while it wrote: temporary files among the shards."""
    for name in SPLITS:
        for path in (work / name).iterdir():
            if f"{name}/{path.name}" not in wanted:
                path.unlink()


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
        remarks.append(f"{counts.dead_letters} pages could not be read or cleaned: see {DEAD_LETTERS} in the output")
    return remarks
