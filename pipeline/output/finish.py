"""Write all that stands beside the shards of a run: what `datasets` reads, the dead letters, the card, the manifest."""

import json
from collections.abc import Iterator, Mapping, Sequence

from pipeline.duplicates import lines
from pipeline.output.canaries import Planted
from pipeline.output.card import card
from pipeline.output.ledger import by_wiki, refuse, replay
from pipeline.output.reports import UnitReport
from pipeline.output.shard_file import dataset_files, file_entry, write_lines
from pipeline.settings import ShardsSettings, SplitSettings
from pipeline.source import Mixture
from pipeline.storage.place import Place
from wikilm import __version__
from wikilm.shards import (
    ARTICLES,
    CARD,
    DEAD_LETTERS,
    DUPLICATES,
    MANIFEST,
    SPLITS,
    Counts,
    DeduplicationEntry,
    Manifest,
    NearEntry,
    SplitEntry,
    TokenizerEntry,
    all_imbalances,
    manifest_bytes,
)


def finish(
    work: Place,
    mixture: Mixture,
    split: SplitSettings,
    shards: ShardsSettings,
    tokenizer: TokenizerEntry,
    reports: Sequence[UnitReport],
    counts: Counts,
    planted: Planted | None = None,
) -> Manifest:
    """Complete a work folder, so that it can be published. Nothing in it has a final name yet, the manifest neither.

    Args:
        work: holds the shards and tables of all units.
        mixture: the sources that were read.
        split: how articles were split.
        shards: how rows were cut.
        tokenizer: what made the ids.
        reports: of all units, in the order of the source.
        counts: the balanced ledger (see `ledger.check`), without canaries.
        planted: the canaries that were written, where there are any.

    Returns:
        The manifest, as it was written.

    Raises:
        Unbalanced: the ledger of a wiki does not balance.
    """
    manifest = _with_canaries(_manifest(mixture, split, shards, tokenizer, reports, counts), planted)
    refuse(all_imbalances(manifest))
    files = dataset_files(manifest.shards, manifest.chunk_tokens, tokenizer.vocab_size, manifest.names_wikis)
    files[DEAD_LETTERS] = "".join(_dead_letters(mixture, reports)).encode()
    manifest = _with_files(manifest, work, files)
    if shards.deduplicate != "none":
        duplicates = write_lines(work, DUPLICATES, lines(work, [unit.wiki.name for unit in mixture.units]))
        manifest = manifest.model_copy(update={"files": [*manifest.files, duplicates]})
    manifest = _with_files(manifest, work, {CARD: card(manifest).encode()})
    work.write(MANIFEST, manifest_bytes(manifest))
    _sweep(work, {entry.path for entry in manifest.entries})
    return manifest


def _manifest(
    mixture: Mixture,
    split: SplitSettings,
    shards: ShardsSettings,
    tokenizer: TokenizerEntry,
    reports: Sequence[UnitReport],
    counts: Counts,
) -> Manifest:
    """Return the manifest of the units, without any of the files beside their shards."""
    return Manifest(
        version=__version__,
        source=mixture.entry,
        site=mixture.site_entry,
        mixture=mixture.entries(by_wiki(reports, len(mixture.sources))),
        limits=mixture.limits,
        tokenizer=tokenizer,
        split=SplitEntry(**split.model_dump(mode="json")),
        chunk_tokens=shards.chunk_tokens,
        chunking=shards.chunking,
        deduplication=_deduplication(shards),
        counts=counts,
        shards=[shard for name in SPLITS for report in reports for shard in report.shards if shard.split == name],
        articles=[
            table for name in SPLITS for report in reports for table in report.articles
            if table.path.startswith(f"{ARTICLES}/{name}-")
        ],
        files=[],
    )  # fmt: skip


def _with_canaries(manifest: Manifest, planted: Planted | None) -> Manifest:
    """Return a manifest with the shard of the canaries behind those of the split train."""
    if planted is None:
        return manifest
    train, others = manifest.shards_of(SPLITS[0]), manifest.shards_of(SPLITS[1])
    counts = manifest.counts.model_copy(
        update={
            "canaries": sum(entry.times for entry in planted.entries),
            "tokens": manifest.counts.tokens + planted.shard.tokens,
            "train_chunks": manifest.counts.train_chunks + planted.shard.rows,
        }
    )
    return manifest.model_copy(
        update={
            "canaries": list(planted.entries),
            "counts": counts,
            "shards": [*train, planted.shard, *others],
            "articles": [*manifest.articles[: len(train)], planted.articles, *manifest.articles[len(train) :]],
        }
    )


def _deduplication(shards: ShardsSettings) -> DeduplicationEntry | None:
    if shards.deduplicate == "none":
        return None
    near = NearEntry(
        threshold=shards.near_threshold,
        ngram=shards.near_ngram,
        permutations=shards.near_permutations,
        bands=shards.near_bands,
    )
    return DeduplicationEntry(form=shards.deduplicate, near=near if shards.deduplicate == "near" else None)


def _dead_letters(mixture: Mixture, reports: Sequence[UnitReport]) -> Iterator[str]:
    """Yield the lines of dead_letters.jsonl; one empty line if there are none, since DVC warns of files of 0 bytes."""
    letters = [(report.wiki, letter) for report in reports for letter in report.dead_letters]
    for number, letter in letters:
        wiki, source = mixture.wikis[number], mixture.sources[number]
        named = {"wiki": wiki.name} if wiki.name else {}
        record = (
            named
            | letter.model_dump()
            | {"replay": replay(source.entry.name, mixture.limits, source.limits.columns, letter)}
        )
        yield json.dumps(record, ensure_ascii=False) + "\n"
    if not letters:
        yield "\n"


def _with_files(manifest: Manifest, work: Place, files: Mapping[str, bytes]) -> Manifest:
    """Write some files, and return the manifest with them."""
    for path, data in files.items():
        work.write(path, data)
    entries = [file_entry(path, data) for path, data in files.items()]
    return manifest.model_copy(update={"files": [*manifest.files, *entries]})


def _sweep(work: Place, wanted: set[str]) -> None:
    """Remove what a worker left that was stopped while it wrote: temporary files among the shards."""
    folders = {path.split("/")[0] for path in wanted if "/" in path}
    for path in work.sizes():
        if path.split("/")[0] in folders and path not in wanted:
            work.remove(path)
