"""Say what a user should know about a run that is done: what is missing in it, and why."""

from collections.abc import Iterator

from pipeline.settings import ShardsSettings, SplitSettings
from wikilm.errors import RunError
from wikilm.shards import (
    ARTICLE_REASONS,
    COPIES,
    DEAD_LETTERS,
    DUPLICATES,
    EMPTY_TEXT,
    NOT_IN_SHARE,
    SPLITS,
    Counts,
    Manifest,
)
from wikilm.terminal import visible


class NoRows(RunError):
    """Not a single row came of the source: nothing is published, and there is nothing to resume."""


def remarks(counts: Counts, split: SplitSettings, shards: ShardsSettings) -> Iterator[str]:
    """Yield single lines about a run that went well.

    Raises:
        NoRows: the run made no row in either split; says why.
    """
    rows = {"train": counts.train_chunks, "validation": counts.validation_chunks}
    articles = {"train": counts.train_articles, "validation": counts.validation_articles}
    copies = _copies(counts)
    if not any(rows.values()):
        raise NoRows(f"the source gives no row: {_why_no_rows(counts, shards)}")
    for name in SPLITS:
        if not rows[name] and (name == "train" or split.validation_fraction > 0):
            yield f"there is no row for {name}: {_why_none_of(name, articles[name], split, shards)}"
    if split.take is not None:
        for name, asked in zip(SPLITS, split.take, strict=True):
            if articles[name] < asked:
                yield f"only {articles[name]} of the {asked} {name} articles that --take asks for are " + (
                    f"left, since {copies} of those taken are copies of others; take more"
                    if copies >= asked - articles[name]
                    else f"there; another --validation-fraction (now {split.validation_fraction}) moves articles "
                    "between the splits"
                )
    if copies:
        yield f"{copies} articles are copies of others: {DUPLICATES} in the output names each, and the one that is kept"
    if counts.dead_letters:
        yield (
            f"{counts.dead_letters} pages could not be read or cleaned: {DEAD_LETTERS} in the output has each of them, "
            "with the command that shows it in the folder of the source; elsewhere, --source takes its path or address"
        )


def remarks_on_wikis(manifest: Manifest) -> Iterator[str]:
    """Yield a line for each of several wikis that gives no row."""
    for entry in manifest.wikis if manifest.names_wikis else ():
        counts = entry.counts
        if not counts.train_chunks + counts.validation_chunks:
            beyond = counts.left_out.get(NOT_IN_SHARE, 0)
            within = f", {beyond} of them beyond its share of {entry.share:g}" if beyond else ""
            articles = f"{counts.articles} of its {counts.pages} pages are articles{within}"
            yield f"{visible(entry.wiki)} gives no row: {articles}"


def _why_no_rows(counts: Counts, shards: ShardsSettings) -> str:
    if not counts.pages:
        return "it has no page; name another source"
    if not counts.articles:
        reasons = _not_articles(counts)
        left_out = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        choice = ", or choose --namespaces" if any(reason.startswith("namespace:") for reason in reasons) else ""
        return f"none of its {counts.pages} pages is an article ({left_out}); name another source{choice}"
    if counts.left_out.get(NOT_IN_SHARE, 0) == counts.articles - counts.dead_letters:
        return f"none of its {counts.articles} articles is within the share that is taken; raise --share"
    if not counts.tokens:
        empty = counts.left_out.get(EMPTY_TEXT, 0)
        return (
            f"{empty} of its {counts.articles} articles have no prose: they are empty, as in a stub dump (take "
            "pages-articles), or hold nothing but markup"
        )
    others = {"dead letters": counts.dead_letters, "copies of others": _copies(counts)}
    said = "".join(f", and {count} are {what}" for what, count in others.items() if count)
    return _too_short(counts.train_articles + counts.validation_articles, shards) + said


def _not_articles(counts: Counts) -> dict[str, int]:
    reasons = {reason: count for reason, count in counts.left_out.items() if reason not in ARTICLE_REASONS}
    return ({"redirect": counts.redirects} if counts.redirects else {}) | reasons


def _copies(counts: Counts) -> int:
    return sum(counts.left_out.get(reason, 0) for reason in COPIES)


def _why_none_of(name: str, articles: int, split: SplitSettings, shards: ShardsSettings) -> str:
    if articles:
        return _too_short(articles, shards)
    remedy = "raise" if name == "validation" else "lower"
    return f"no article is in it; {remedy} --validation-fraction (now {split.validation_fraction}), or change --seed"


def _too_short(articles: int, shards: ShardsSettings) -> str:
    remedy = f"lower --chunk-tokens (now {shards.chunk_tokens})"
    if shards.chunking == "document":
        return f"each of its {articles} articles is shorter than a row; {remedy}"
    return f"its {articles} articles together are shorter than a row; {remedy}"
