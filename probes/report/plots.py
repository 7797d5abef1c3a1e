"""Draw the page's plots as SVG: the same bytes for the same points, in colors that follow the page's theme."""

import re
from collections.abc import Sequence
from io import StringIO
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from probes.recitation import Recited

# Stand-ins that matplotlib takes for colours, and the page's variables that they become.
_INK, _FAINT, _TRAIN, _VALIDATION = "#010101", "#020202", "#030303", "#040404"
_VARIABLES = {_INK: "var(--ink)", _FAINT: "var(--line)", _TRAIN: "var(--train)", _VALIDATION: "var(--validation)"}
_SETTINGS = {"svg.hashsalt": "wikilm", "svg.fonttype": "none", "font.size": 10, "path.simplify": False}

Curve = Sequence[tuple[int, float]]  # (step, loss in nats per token)


def loss_curves(train: Curve, validation: Curve, lowest: tuple[int, float] | None) -> Markup:
    """Training and validation loss by step, the lowest point of the latter marked."""
    figure, axes = _axes("step", "loss, nats per token")
    for points, color, label in ((train, _TRAIN, "training"), (validation, _VALIDATION, "validation")):
        if points:
            steps, losses = zip(*points, strict=True)
            marker = "o" if len(points) < 25 and label == "validation" else None
            axes.plot(steps, losses, color=color, linewidth=1.8, marker=marker, markersize=3.5, label=label)
    if lowest is not None:
        step, loss = lowest
        axes.plot([step], [loss], "o", markersize=9, markerfacecolor="none", markeredgewidth=1.6, color=_VALIDATION)
        axes.annotate(
            f"lowest {loss:.2f}", (step, loss), xytext=(0, 12), textcoords="offset points", ha="center", color=_INK
        )
    axes.set_ylim(bottom=0)
    _legend(axes)
    return _svg(figure, "Loss on training and on validation text by step")


def recitation_by_prefix(points: Sequence[Recited]) -> Markup:
    """Draw the share of tokens reproduced by prefix length, with 95 % confidence intervals."""
    figure, axes = _axes("tokens given", "tokens reproduced, %")
    axes.set_xscale("log", base=2)
    for split, color, label in (("train", _TRAIN, "training text"), ("validation", _VALIDATION, "validation text")):
        own = [point for point in points if point.split == split]
        shares = [100 * point.tokens.value for point in own]
        below = [100 * (point.tokens.value - point.tokens.low) for point in own]
        above = [100 * (point.tokens.high - point.tokens.value) for point in own]
        axes.errorbar(
            [point.prefix for point in own], shares, [below, above], color=color, linewidth=1.8, marker="o",
            markersize=4, capsize=3, elinewidth=1.2, label=label,
        )  # fmt: skip
    lengths = sorted({point.prefix for point in points})
    axes.set_xticks(lengths, [str(n) for n in lengths])
    axes.minorticks_off()
    axes.set_ylim(-3, 105)
    _legend(axes)
    return _svg(figure, "Share of tokens reproduced by length of the prefix")


def _axes(x: str, y: str) -> tuple[Figure, Any]:
    """Return a figure with plain axes and labels in the page's ink; no window is behind it."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.set_xlabel(x, color=_INK)
    axes.set_ylabel(y, color=_INK)
    axes.tick_params(colors=_INK, length=0)
    axes.grid(True, axis="y", color=_FAINT, linewidth=0.8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_FAINT)
    return figure, axes


def _legend(axes: Any) -> None:
    """Write the names of the curves above the axes, where no curve can run through them."""
    if axes.get_legend_handles_labels()[1]:
        axes.legend(
            frameon=False, labelcolor=_INK, ncols=2, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2
        )


def _svg(figure: Figure, label: str) -> Markup:
    """Return the figure as an <svg> element that stands in the page: no prolog, no metadata, no references."""
    buffer = StringIO()
    with matplotlib.rc_context(_SETTINGS):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    end = svg.index(">")  # of the root element: HTML needs none of its name spaces, and the page sets its size
    svg = re.sub(r'\s(xmlns(:\w+)?|width|height|version)="[^"]*"', "", svg[:end]) + svg[end:]
    svg = re.sub(r"font: ([^;\"']*?px)[^;\"]*", r"font: \1 var(--font)", svg)
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, variable)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    return Markup(svg)  # noqa: S704 - made here, from numbers and constants
