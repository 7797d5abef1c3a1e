"""Make up manifests and ledgers, without the shards that they are about."""

from typing import Any

from wikilm.shards.format import shard_name
from wikilm.shards.manifest import (
    Counts,
    LimitsEntry,
    Manifest,
    ShardEntry,
    SiteEntry,
    SourceEntry,
    SplitEntry,
    TokenizerEntry,
    WikiEntry,
)

WIKI = "https://lv.wikipedia.org/wiki/Main"
# The ledger of a unit whose rows have 8 tokens: every page has a fate, and every token a row or a tail.
BALANCED = {
    "pages": 12, "articles": 9, "redirects": 1, "left_out": {"namespace:1": 2, "empty_text": 1, "not_taken": 2},
    "dead_letters": 1, "train_articles": 4, "validation_articles": 1, "text_bytes": 500, "tokens": 90,
    "train_chunks": 8, "validation_chunks": 2, "tail_tokens": 10,
}  # fmt: skip


def shard(split: str, unit: int, rows: int) -> ShardEntry:
    """The entry of a shard with rows of 8 tokens, in a set of one work unit."""
    path = shard_name(split, unit, 1)
    return ShardEntry(path=path, bytes=1, sha256="0" * 64, split=split, unit=unit, rows=rows, tokens=rows * 8)


def manifest(
    name: str = "lvwiki-20240101-pages-articles.xml.bz2",
    language: str | None = "lv",
    wiki: str = "Vikipēdija",
    database: str = "lvwiki",
    base: str = WIKI,
    rows: int = 5,
    take: list[int] | None = None,
    reason: str = "namespace:1",
) -> Manifest:
    """The manifest of shards of a Latvian dump, or of what else is said."""
    return Manifest(
        version="0.1.0",
        source=SourceEntry(name=name, kind="xml.bz2", bytes=1234567, checksum="sha256:abc", units=1, files=[]),
        site=SiteEntry(language=language, name=wiki, database=database, base=base),
        limits=LimitsEntry(unit_bytes=1000, max_page_bytes=5000, max_page_seconds=2.5),
        tokenizer=TokenizerEntry(sha256="1" * 64, vocab_size=300, end_of_text_id=0, mask_id=1),
        split=SplitEntry(seed=3, validation_fraction=0.1, take=take),
        chunk_tokens=8,
        chunking="pack",
        counts=Counts(
            pages=1234, articles=1000, redirects=30, left_out={reason: 204}, dead_letters=0, train_articles=900,
            validation_articles=100, text_bytes=99, tokens=8 * rows, train_chunks=rows, validation_chunks=0,
            tail_tokens=0,
        ),
        shards=[shard("train", 0, rows)],
        articles=[],
        files=[],
    )  # fmt: skip


def mixture(*changed: dict[str, Any]) -> Manifest:
    """The manifest of shards of several such dumps, half of the articles of each; `changed` is as for `manifest`."""
    parts = [manifest(**some) for some in changed]
    wikis = [
        WikiEntry(wiki=part.site.database, share=0.5, source=part.source, site=part.site, counts=part.counts)
        for part in parts
    ]
    source = SourceEntry(
        name=" + ".join(entry.wiki for entry in wikis), kind="mixture", bytes=2, checksum="sha256:def",
        units=len(parts), files=[],
    )  # fmt: skip
    numbers = {
        name: sum(getattr(part.counts, name) for part in parts) for name in Counts.model_fields if name != "left_out"
    }
    reasons = {reason for part in parts for reason in part.counts.left_out}
    left_out = {reason: sum(part.counts.left_out.get(reason, 0) for part in parts) for reason in sorted(reasons)}
    return parts[0].model_copy(
        update={
            "source": source,
            "site": SiteEntry(language=None, name="", database="", base=""),
            "mixture": wikis,
            "counts": Counts(left_out=left_out, **numbers),
            "shards": [shard("train", unit, part.row_count("train")) for unit, part in enumerate(parts)],
        }
    )
