"""Draw the page's plots as SVG: the same bytes for the same points, in colors that follow the page's theme."""

import re
from io import StringIO
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from probes.report.story import Learning, Recital, Split

# Stand-ins that matplotlib takes for colours, and the page's variables that they become.
_INK, _FAINT, _TRAIN, _VALIDATION, _SOFT = "#010101", "#020202", "#030303", "#040404", "#050505"
_VARIABLES = {
    _INK: "var(--ink)", _FAINT: "var(--line)", _TRAIN: "var(--train)", _VALIDATION: "var(--validation)",
    _SOFT: "var(--soft)",
}  # fmt: skip
_SETTINGS = {"svg.hashsalt": "wikilm", "svg.fonttype": "none", "path.simplify": False}
_SIZE, _SMALL = 12, 11  # points of 353 across the picture, which is as wide on a phone
_SPLITS: tuple[tuple[Split, str, str, str], ...] = (
    ("train", _TRAIN, "training text", "o"),
    ("validation", _VALIDATION, "unseen text", "s"),
)


def loss_curves(learning: Learning) -> Markup:
    """Training and validation loss by step, with the lines of guessing and the step of the lowest validation loss."""
    figure, axes = _axes("step", "loss, nats per token")
    curves = {"train": learning.train, "validation": learning.validation}
    for split, color, label, marker in _SPLITS:
        points = curves[split]
        if points:
            shown = marker if len(points) < 25 and split == "validation" else None
            style = "-" if split == "train" else (0, (5, 1.5))
            axes.plot(
                [point.step for point in points], [point.value for point in points], color=color, linewidth=2,
                marker=shown, markersize=4, label=label, linestyle=style,
            )  # fmt: skip
    highest = max([learning.blind, *(point.value for point in (*learning.train, *learning.validation))])
    lines = [(learning.blind, "blind guess")]
    if learning.by_frequency is not None:
        lines.append((learning.by_frequency, "by frequency"))
    for value, words in lines:
        axes.axhline(value, color=_SOFT, linewidth=1, linestyle=(0, (1, 2)))
        axes.annotate(
            words, (1, value), xycoords=("axes fraction", "data"), xytext=(6, 0), textcoords="offset points",
            ha="left", va="center", color=_SOFT, fontsize=_SMALL,
        )  # fmt: skip
    if learning.turns:
        axes.axvline(learning.lowest.step, color=_SOFT, linewidth=1, linestyle=(0, (4, 3)))
        late = learning.lowest.step > learning.steps / 2  # then the words stand before the line, not after it
        axes.annotate(
            "by heart from here", (learning.lowest.step, 0), xycoords=("data", "axes fraction"),
            xytext=(-4 if late else 4, 4), textcoords="offset points", ha="right" if late else "left", va="bottom",
            color=_INK, fontsize=_SMALL,
        )  # fmt: skip
    for moment in learning.moments:
        axes.axvline(moment.step, color=_INK, linewidth=2, alpha=0.5).set_gid(f"{learning.model}-at-{moment.step}")
    axes.set_ylim(0, 1.12 * highest)
    _legend(axes)
    lowest = learning.lowest
    return _svg(
        figure,
        f"Loss of the {learning.model} model by step. On training text it ends at {learning.last_train:.2f}. On unseen"
        f" text it is lowest, {lowest.value:.2f}, at step {lowest.step:,}, and ends at {learning.last_validation:.2f}."
        f" Guessing blindly has {learning.blind:.2f}.",
        learning.model,
    )


def recitation_by_prefix(recital: Recital) -> Markup:
    """Draw the share of tokens recited by prefix length, with 95 % confidence intervals."""
    figure, axes = _axes("tokens given", "tokens recited, %")
    axes.set_xscale("log", base=2)
    told = []
    for split, color, label, marker in _SPLITS:
        own = [point for point in recital.curve if point.share.split == split]
        shares = [100 * point.share.value for point in own]
        below = [100 * (point.share.value - point.share.low) for point in own]
        above = [100 * (point.share.high - point.share.value) for point in own]
        axes.errorbar(
            [point.prefix for point in own], shares, [below, above], color=color, linewidth=2, marker=marker,
            markersize=5, capsize=3, elinewidth=1.2, label=label,
        )  # fmt: skip
        told += [f"{label}: " + ", ".join(f"{s:.0f} % after {p.prefix}" for s, p in zip(shares, own, strict=True))]
    lengths = sorted({point.prefix for point in recital.curve})
    axes.set_xticks(lengths, [str(n) for n in lengths])
    axes.minorticks_off()
    axes.set_ylim(-4, 105)
    _legend(axes)
    return _svg(figure, f"Share of tokens recited by tokens given. {'; '.join(told)}.", "recital")


def _axes(x: str, y: str) -> tuple[Figure, Any]:
    """Return a figure with plain axes and labels in the page's ink; no window is behind it."""
    figure = Figure(figsize=(4.9, 3.5), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.set_xlabel(x, color=_INK, fontsize=_SIZE)
    axes.set_ylabel(y, color=_INK, fontsize=_SIZE)
    axes.tick_params(colors=_INK, length=0, labelsize=_SIZE)
    axes.grid(True, axis="y", color=_FAINT, linewidth=0.8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_FAINT)
    return figure, axes


def _legend(axes: Any) -> None:
    """Write the names of the curves above the axes, where no curve can run through them."""
    if axes.get_legend_handles_labels()[1]:
        axes.legend(
            frameon=False, labelcolor=_INK, ncols=2, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2,
            handlelength=1.6, columnspacing=1.2, fontsize=_SIZE,
        )  # fmt: skip


def _svg(figure: Figure, label: str, name: str) -> Markup:
    """Return the figure as an <svg> element that stands in the page: no prolog, metadata, references or style.

    What matplotlib writes as `style` becomes attributes, so that the page's policy can refuse all style but its own.
    """
    buffer = StringIO()
    with matplotlib.rc_context(_SETTINGS):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    end = svg.index(">")  # of the root element: HTML needs none of its name spaces, and the page sets its size
    svg = re.sub(r'\s(xmlns(:\w+)?|width|height|version)="[^"]*"', "", svg[:end]) + svg[end:]
    svg = re.sub(r'style="([^"]*)"', lambda match: _attributes(match[1]), svg)
    svg = re.sub(r"(\bid=\"|url\(#|href=\"#)(?!\w+-at-)", rf"\g<1>{name}-", svg)  # ids are the page's, not the plot's
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, variable)
    return Markup(svg.replace("<svg", f'<svg class="plot" role="img" aria-label="{escape(label)}"', 1))  # noqa: S704


def _attributes(style: str) -> str:
    """Return declarations of style as attributes of SVG, the same by name; of a font the size alone."""
    found = {}
    for declaration in filter(None, map(str.strip, style.split(";"))):
        key, _, value = declaration.partition(":")
        if key == "font":
            key, value = "font-size", re.search(r"[\d.]+(px|pt)", value)[0]  # type: ignore[index]
        found[key] = value.strip()
    return " ".join(f'{key}="{value}"' for key, value in found.items())
