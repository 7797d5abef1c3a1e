"""Report on shards, trainings and probes: one page for people, its figures as JSON, and metrics for machines."""

from pathlib import Path
from typing import TypeAlias

from probes.output import json_text
from probes.report.render import render
from probes.report.sources import Inputs, gather
from probes.report.story import Story
from probes.report.tell import tell
from probes.settings import ReportSettings
from wikilm.files import write_atomically

__all__ = ["FIGURES", "METRICS", "PAGE", "SCHEMA", "Inputs", "write_report"]

Metrics: TypeAlias = dict[str, dict[str, float]]  # group -> name -> value; counts are int

PAGE, FIGURES, METRICS = "index.html", "figures.json", "metrics.json"
SCHEMA = Path(__file__).parent / "figures.schema.json"  # of `figures.json`: JSON Schema 2020-12


def metrics(story: Story) -> Metrics:
    """Return the figures to compare runs by, in groups; few and short, so that DVC's tables fit a terminal.

    All others are in `figures.json`. Floats have four digits: a comparison with the committed figures shows what
    changed, and less of what two machines differ in. A figure that the results lack is left out.
    """
    causal, masked = story.learning
    shares = story.shares
    recited, top5 = shares.get(("recited", "train")), shares.get(("top5", "train"))
    figures: dict[str, dict[str, float | None]] = {
        "corpus": {"rows": story.corpus.rows[0].count},
        "causal": {"val_loss": causal.last_validation, "recited": recited.value if recited else None},
        "masked": {"val_loss": masked.last_validation, "top5": top5.value if top5 else None},
    }
    return {
        group: {name: _rounded(value) for name, value in of_group.items() if value is not None}
        for group, of_group in figures.items()
    }


def _rounded(value: float) -> float:
    """Round a float to four digits; a count stays as it is."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def headline(story: Story) -> str:
    """Lay out the five figures that matter for people."""
    causal = story.learning[0]
    left, after = story.recital.prefix, story.recital.continuation
    rows = {
        ("recited", "train"): f"of {after} tokens that follow {left} of its training text, the causal model recites",
        ("recited", "validation"): "of those in text it never saw",
        ("top5", "train"): "of hidden tokens of its training text are among the masked model's first five guesses",
        ("top5", "validation"): "of those in text it never saw",
    }
    shares = story.shares
    lines = [f"{100 * shares[key].value:>6.1f} %  {what}" for key, what in rows.items() if key in shares]
    loss = f"{causal.lowest.value:.2f}"
    when = f"at step {causal.lowest.step:,} of {causal.steps:,}; {causal.last_validation:.2f} at the end"
    lines.append(f"{loss:>8}  lowest validation loss of the causal model, {when}")
    return "\n".join(lines)


def write_report(inputs: Inputs, output: Path, settings: ReportSettings) -> tuple[Metrics, str]:
    """Write `index.html`, `figures.json` and `metrics.json` into `output`, each whole or not at all.

    Returns:
        The metrics, and the figures that matter as text for people.

    Raises:
        RunError: something to report is missing or is not what it must be; nothing is written then.
    """
    story = tell(gather(inputs, settings))
    page, figures, told = render(story), metrics(story), headline(story)
    write_atomically(output / METRICS, json_text(figures))
    write_atomically(output / FIGURES, json_text(story))
    write_atomically(output / PAGE, page)
    return figures, told
