"""Check the equations of the ledger: no page, article or token goes unaccounted for."""

from collections.abc import Iterator, Sequence

from wikilm.shards.format import SPLITS
from wikilm.shards.manifest import ARTICLE_REASONS, Counts, Manifest, ShardEntry


def all_imbalances(manifest: Manifest) -> Iterator[str]:
    """Yield every equation that does not hold: of the whole, of each wiki alone, and of their sums."""
    yield from imbalances(manifest.counts, manifest.chunk_tokens, manifest.shards)
    if (planted := sum(canary.times for canary in manifest.canaries or ())) != manifest.counts.canaries:
        yield f"canaries = {manifest.counts.canaries}, but those listed are planted {planted} times"
    if manifest.mixture is None:
        return
    first = 0
    for entry in manifest.mixture:
        last = first + entry.source.units
        shards = [shard for shard in manifest.shards if first <= shard.unit < last]
        yield from (f"{entry.wiki}: {line}" for line in imbalances(entry.counts, manifest.chunk_tokens, shards))
        first = last
    if first != manifest.source.units:
        yield f"units = {manifest.source.units}, but those of all wikis = {first}"
    whole = _numbers(manifest.counts)
    parts = [_numbers(entry.counts) for entry in manifest.mixture]
    for name in sorted({name for numbers in (whole, *parts) for name in numbers}):
        if (value := whole.get(name, 0)) != (other := sum(numbers.get(name, 0) for numbers in parts)):
            yield f"{name} = {value}, but those of all wikis = {other}"


def _numbers(counts: Counts) -> dict[str, int]:
    return counts.model_dump(exclude={"left_out"}) | {f"left out: {key}": n for key, n in counts.left_out.items()}


def imbalances(counts: Counts, chunk_tokens: int, shards: Sequence[ShardEntry]) -> Iterator[str]:
    """Yield every equation of the ledger that does not hold, as one line."""
    page_reasons = sum(n for reason, n in counts.left_out.items() if reason not in ARTICLE_REASONS)
    article_reasons = sum(counts.left_out.get(reason, 0) for reason in ARTICLE_REASONS)
    chunks = counts.train_chunks + counts.validation_chunks
    rows = {split: sum(shard.rows for shard in shards if shard.split == split) for split in SPLITS}
    equations = (
        ("pages", counts.pages, "articles + redirects + left out", counts.articles + counts.redirects + page_reasons),
        (
            "articles",
            counts.articles,
            "train + validation + left out + dead letters",
            counts.train_articles + counts.validation_articles + article_reasons + counts.dead_letters,
        ),
        ("tokens", counts.tokens, "tokens in chunks + tails", chunk_tokens * chunks + counts.tail_tokens),
        ("train_chunks", counts.train_chunks, "rows in train shards", rows["train"]),
        ("validation_chunks", counts.validation_chunks, "rows in validation shards", rows["validation"]),
        (
            "tokens in shards",
            sum(shard.tokens for shard in shards),
            "chunk_tokens x chunks",
            chunk_tokens * chunks,
        ),
    )
    for left, value, right, other in equations:
        if value != other:
            yield f"{left} = {value}, but {right} = {other}"
