"""Lay out recitation: as text for people, and as CSV by length, which `dvc plots` draws."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from probes.measuring import HOW_BASELINES
from probes.output import quoted, table
from probes.recitation.attempts import Recited
from probes.recitation.examples import Example
from probes.recitation.membership import HOW_MEMBERSHIP
from probes.recitation.reasons import HOW_GROUPS
from probes.recitation.recite import RecitationResult
from wikilm.shards import SPLITS
from wikilm.terminal import visible

_HEAD = ["tokens reproduced", "whole continuations", "longest run", "edits", "loss"]


def describe(result: RecitationResult) -> str:
    """Lay out the recitation for people."""
    return "\n".join(_lines(result)) + "\n"


def _lines(result: RecitationResult) -> Iterator[str]:
    given = f"{result.prefix} tokens given, {result.continuation} added greedily; 95 % confidence intervals"
    yield f"{visible(result.model)}: {given}"
    yield table([["split", "rows", *_HEAD], *([p.split, str(p.rows), *_shares(p)] for p in result.splits)])
    yield "  longest run: tokens in a row that stand in both, of those to add; edits: tokens to change to have the text"
    if result.difference is not None:
        test, points = result.difference, 100 * result.difference.value
        dealt = f"dealing the {test.articles} articles to the splits anew, {test.permutations:,} times"
        yield f"  train above validation by {points:.1f} points, p = {test.p:.4f} by {dealt}"
    if result.baselines:
        yield "\nthe same rows, continued by counts of the training rows:"
        rows = [[b.split, HOW_BASELINES[b.name], str(b.tokens), str(b.whole)] for b in result.baselines]
        yield table([["split", "each token", *_HEAD[:2]], *rows])
    curves = (
        ("by prefix length, from the start of rows:", "prefix", result.by_prefix),
        ("by prefix length, from drawn places in rows:", "prefix", result.anywhere),
        ("by continuation length, from the start of rows:", "continuation", result.by_continuation),
    )
    for title, by, points_of_it in curves:
        if points_of_it:
            yield f"\n{title}"
            yield table([["split", by, *_HEAD], *([p.split, str(getattr(p, by)), *_shares(p)] for p in points_of_it)])
    if result.predictable:
        yield "\nwithout what a table of pairs guesses:"
        rows = [[p.split, str(p.bigram), str(p.beyond) if p.beyond else "none"] for p in result.predictable]
        yield table([["split", "guessed by the pair", "recited of the others"], *rows])
    for by, of_it in groupby(result.groups, key=lambda group: group.by):
        yield f"\nby {HOW_GROUPS[by]}:"
        rows = [[g.split, g.label, str(g.rows), str(g.tokens), str(g.whole)] for g in of_it]
        yield table([["split", by, "rows", *_HEAD[:2]], *rows])
    if result.membership:
        yield "\ntrained on or not, by the loss of a row (0.5: a coin, 1: always right):"
        rows = [
            [f"{m.auc.value:.3f} ({m.auc.low:.3f}–{m.auc.high:.3f})", HOW_MEMBERSHIP[m.score]]
            for m in result.membership
        ]
        yield table([["area under the curve", "score"], *rows])
    if result.by_times:
        most = math.log2(1 + result.canaries[0].references)
        scale = f"exposure in bits, 0 to {most:.1f}; of what was never seen 1.4"
        yield f"\ncanaries, by how often they were planted ({scale}):"
        rows = [
            [f"{p.times:,}", str(p.canaries), str(p.tokens), str(p.whole), f"{p.loss:.3f}", f"{p.exposure:.2f}"]
            for p in result.by_times
        ]
        yield table([["times", "canaries", "secret reproduced", "whole secrets", "loss", "exposure"], *rows])
    for example in result.examples:
        yield from _example(result.continuation, example)


def _shares(point: Recited) -> list[str]:
    more = [f"{100 * share.value:.1f} %" if share else "" for share in (point.longest_run, point.edits)]
    return [str(point.tokens), str(point.whole), *more, "" if point.loss is None else f"{point.loss:.3f}"]


def _example(continuation: int, example: Example) -> Iterator[str]:
    where = f", row {example.row}" if example.row is not None else ""
    yield f"\n{example.split}{where}: {example.equal_tokens} of {continuation} tokens equal"
    for article in example.articles:
        title = visible(article.title) or "no title"
        yield f"  article  {title}  {article.url or ''}".rstrip()
    yield f"  given    {quoted(example.prefix)}"
    for name, spans in (("text ", example.truth), ("model", example.model)):
        yield f"  {name}    {quoted(''.join(span.text for span in spans))}"


def curve_csv(by: str, points: Sequence[Recited], anywhere: Sequence[Recited] = ()) -> str:
    """Return recitation by length as CSV, a line for each length and columns for each split: what `dvc plots` draws.

    Args:
        by: `prefix` or `continuation`, the length that the lines go by.
        points: from the start of rows.
        anywhere: from drawn places in rows, where these are drawn as well; the same lengths.
    """
    parts = [(what, end) for what in ("tokens", "whole") for end in ("value", "low", "high")]
    columns = {
        f"{split}{place}_{what}" + ("" if end == "value" else f"_{end}"): (of_place, split, what, end)
        for place, of_place in (("", points), ("_anywhere", anywhere))
        if of_place or not place
        for split in SPLITS
        for what, end in parts
    }
    lines = [",".join([by, *columns])]
    for length in sorted({getattr(point, by) for point in points}):
        shares = []
        for of_place, split, what, end in columns.values():
            [point] = [p for p in of_place if (p.split, getattr(p, by)) == (split, length)]
            shares.append(f"{getattr(getattr(point, what), end):.6g}")
        lines.append(",".join([str(length), *shares]))
    return "\n".join(lines) + "\n"
