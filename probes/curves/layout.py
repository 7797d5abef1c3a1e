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
    """Return the figures of a model's checkpoints as CSV: a line for each step, columns such as `validation_loss`."""
    out = io.StringIO()
    names = [f"{answers.split}_{name}" for answers in curve.points[0].splits for name in values(answers)]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["step", *names])
    for point in curve.points:
        writer.writerow([point.step, *(f"{v:.6g}" for answers in point.splits for v in values(answers).values())])
    return out.getvalue()
