"""Lay out the answers of checkpoints: as tables for people, and as CSV by step, which `dvc plots` draws."""

import csv
import io
from collections.abc import Iterator

from probes.curves.curves import CurvesResult, ModelCurve, Point, values
from probes.output import quoted, table
from wikilm.terminal import visible

_HEADS = {"loss": "loss", "top1": "top 1", "top5": "top 5", "recited": "recited", "whole": "whole"}


def describe(result: CurvesResult) -> str:
    """Lay out the answers for people: a table and the samples of each model."""
    return "\n".join(line for curve in result.models for line in _lines(result, curve))


def _lines(result: CurvesResult, curve: ModelCurve) -> Iterator[str]:
    rows = curve.points[0].splits
    counts = ", ".join(f"{answers.rows} {answers.split} rows" for answers in rows)
    recited = f"; {result.prefix} tokens given, {result.continuation} recited" if curve.kind == "causal" else ""
    yield f"{visible(curve.name)}, a {curve.kind} language model, on {counts}{recited}"
    names = list(values(rows[0]))
    yield table([["step", "", *(f"{answers.split} {_HEADS[name]}" for name in names for answers in rows)]] + [
        [str(point.step), _which(point), *(_cell(name, values(a)[name]) for name in names for a in point.splits)]
        for point in curve.points
    ])  # fmt: skip
    for one in curve.yardsticks:
        guesses = [f"{b.name.replace('_', ' ')} {_cell('top1', b.top1.value)} and {_cell('top5', b.top5.value)}"
                   for b in one.baselines]  # fmt: skip
        yield f"  {one.split}, from counts alone: loss {one.blind_loss:.3f}; top 1 and top 5 {', '.join(guesses)}"
    yield ""
    for point in curve.points:
        best = point.choices[0]
        yield f"  step {point.step}: {quoted(point.filled)} ({best.probability:.4f})"
        if point.continuation is not None:
            yield f"    {quoted(result.prompt)} {quoted(point.continuation)}"
    yield ""


def _which(point: Point) -> str:
    return " and ".join(name for name, is_it in (("best", point.is_best), ("last", point.is_last)) if is_it)


def _cell(name: str, value: float) -> str:
    return f"{value:.3f}" if name == "loss" else f"{100 * value:.1f} %"


def as_csv(curve: ModelCurve) -> str:
    """Return the figures of a model's checkpoints as CSV: a line for each step, columns such as `validation_loss`.

    What counts alone give is the same in every line: `validation_blind_loss`, `validation_bigram_top5`.
    """
    out = io.StringIO()
    names = [f"{answers.split}_{name}" for answers in curve.points[0].splits for name in values(answers)]
    level = {f"{one.split}_blind_loss": one.blind_loss for one in curve.yardsticks}
    level |= {f"{one.split}_{b.name}_top5": b.top5.value for one in curve.yardsticks for b in one.baselines}
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["step", *names, *level])
    for point in curve.points:
        figures = [value for answers in point.splits for value in values(answers).values()]
        writer.writerow([point.step, *(f"{value:.6g}" for value in (*figures, *level.values()))])
    return out.getvalue()
