"""Lay out what a run made as a small table for people."""

from collections.abc import Iterator
from dataclasses import dataclass

from wikilm.shards.format import SPLITS
from wikilm.shards.manifest import ARTICLE_REASONS, Manifest
from wikilm.terminal import visible


@dataclass(frozen=True)
class Outcome:
    """A run that went well.

    Attributes:
        manifest: of what was published.
        kept_units: those that an interrupted run had done.
        read_bytes: stored bytes of the other units.
        made_tokens: tokens in the other units.
        seconds: that it took to read them and make their shards, without what comes before and after.
    """

    manifest: Manifest
    kept_units: int
    read_bytes: int
    made_tokens: int
    seconds: float


def table(outcome: Outcome, seconds: float, output: str) -> str:
    """Lay out lines of a name, a number aligned to the right, and what there is to say about it."""
    rows = list(_rows(outcome, seconds))
    names = max(len(name) for name, _, _ in rows)
    numbers = max(len(number) for _, number, _ in rows)
    lines = [f"{name:<{names}}  {number:>{numbers}}  {note}".rstrip() for name, number, note in rows]
    return "\n".join([*lines, f"{'output':<{names}}  {output}"])


def _rows(outcome: Outcome, seconds: float) -> Iterator[tuple[str, str, str]]:
    manifest = outcome.manifest
    counts = manifest.counts
    yield "pages", f"{counts.pages:,}", ""
    yield "  redirects", f"{counts.redirects:,}", ""
    yield "  articles", f"{counts.articles:,}", ""
    for name, articles in zip(SPLITS, (counts.train_articles, counts.validation_articles), strict=True):
        rows, tokens = manifest.row_count(name), sum(shard.tokens for shard in manifest.shards_of(name))
        yield f"    {name}", f"{articles:,}", f"{rows:,} rows of {manifest.chunk_tokens}, {tokens:,} tokens"
    left_out = [(reason, f"{number:,}") for reason, number in counts.left_out.items()]
    yield from ((f"    left out: {reason}", number, "") for reason, number in left_out if reason in ARTICLE_REASONS)
    yield "    dead letters", f"{counts.dead_letters:,}", ""
    yield from ((f"  left out: {reason}", number, "") for reason, number in left_out if reason not in ARTICLE_REASONS)
    yield "tokens", f"{counts.tokens:,}", f"{counts.tail_tokens:,} of them in tails that fill no row"
    if counts.unknown_tags:
        yield "unknown tags", f"{counts.unknown_tags:,}", "of extensions, taken out of the texts"
    if counts.canaries:
        yield "canaries", f"{counts.canaries:,}", "copies of made-up sentences, in rows of their own in train"
    for entry in manifest.mixture or ():
        taken = entry.counts.train_articles + entry.counts.validation_articles
        share = f", a share of {entry.share:g}" if entry.share < 1 else ""
        yield f"  {visible(entry.wiki)}", f"{entry.counts.tokens:,}", f"of {taken:,} articles{share}"
    kept = f"{outcome.kept_units:,} of them kept from an earlier run" if outcome.kept_units else ""
    yield "units", f"{manifest.source.units:,}", kept
    making = max(outcome.seconds, 1e-3)
    rates = f"{outcome.read_bytes / 1e6 / making:,.2f} MB/s of source and {outcome.made_tokens / making:,.0f} tokens/s"
    rate = f"{outcome.seconds:,.1f} of them to make the shards, at {rates}" if outcome.read_bytes else ""
    yield "seconds", f"{seconds:,.1f}", rate
