"""Render a story as one HTML file, which asks for nothing and runs no script but its own."""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from probes.output import counted
from probes.report.plots import loss_curves, recitation_by_prefix
from probes.report.story import Baseline, Split, Story
from wikilm.origin import PAGE_ADDRESS
from wikilm.terminal import visible

TEMPLATES = Path(__file__).parent / "templates"
LEVELS = (
    ("expected", 0.5, "half or more"),
    ("likely", 0.1, "a tenth or more"),
    ("possible", 0.01, "a hundredth or more"),
)
SURPRISE = ("surprise", "less: a surprise")
SPLITS = {"train": "training text", "validation": "unseen text"}
READINGS = {
    "masked": "The masked model, from both sides",
    "left": "The causal model, from what stands before",
    "rescored": "The causal model, by how likely the whole sentence is with it",
}
MEASURES = {
    "top1": "hidden tokens guessed at once",
    "top5": "hidden tokens among five guesses",
    "recited": "tokens recited",
    "whole": "recited without an error",
}
BASELINES = {
    "most_common": "by the most common tokens",
    "bigram": "by the token before",
    "neighbours": "by the tokens on both sides",
}
CONTENTS = (
    ("corpus", "The text"), ("tokens", "Tokens"), ("asking", "Asking"), ("learning", "Learning"), ("blanks", "Blanks"),
    ("writing", "Writing"), ("reciting", "By heart"), ("lost", "Lost"), ("making", "Making"),
)  # fmt: skip
_PARTS = ("embedding", "attention", "mlp", "norm", "head")


@dataclass(frozen=True)
class Figure:
    """One of the figures at the top of the page."""

    split: Split
    value: float
    words: str
    baselines: tuple[Baseline, ...]


@dataclass(frozen=True)
class Headings:
    """What headings say of the figures; None where the results lack them."""

    recited: float | None
    unseen: float | None
    unseen_without: float | None  # what the best guess without a model gets right there
    right_where_read: bool  # some blank from training text is filled right, and none that was not trained on
    parameters: str


def render(story: Story) -> str:
    """Render the page: every string goes through autoescape, but the plots made here, the style and the script."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "visible": visible, "prose": prose, "percent": percent, "chance": chance, "counted": counted, "level": level,
        "count": lambda number: f"{number:,}", "lines": lines, "is_address": is_address,
        "part_class": lambda name: name if name in _PARTS else "rest",
    }  # fmt: skip
    style, script = _own("style.css"), _own("page.js")
    plots = {one.model: loss_curves(one) for one in story.learning} | {"recital": recitation_by_prefix(story.recital)}
    return environment.get_template("page.html.j2").render(
        story=story, style=style, script=script, policy=policy(style, script), plots=plots, told=headings(story),
        headline=figures(story), contents=CONTENTS, splits=SPLITS, readings=READINGS, measures=MEASURES,
        baselines=BASELINES,
        levels=[*((name, words) for name, _, words in LEVELS), SURPRISE],
    )  # fmt: skip


def _own(name: str) -> Markup:
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704 - our own file, no text from elsewhere


def policy(style: str, script: str) -> str:
    """Return the Content-Security-Policy of the page: this style and this script, and nothing else from anywhere."""
    digests = (base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in (style, script))
    return (
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'".format(
            *digests
        )
    )


def figures(story: Story) -> list[Figure]:
    """Return the figures that matter most, training text beside text never seen."""
    after, given = story.recital.continuation, story.recital.prefix
    words = {
        ("recited", "train"): f"of the next {after} tokens are recited, given {given} of the training text",
        ("recited", "validation"): "of the next tokens are right in text never seen",
        ("top5", "train"): "of hidden tokens of the training text are among the masked model’s first five guesses",
        ("top5", "validation"): "of hidden tokens of text never seen",
    }
    shares = story.shares
    found = [(shares[key], told) for key, told in words.items() if key in shares]
    return [Figure(share.split, share.value, told, share.baselines) for share, told in found]


def headings(story: Story) -> Headings:
    """Return what the headings say."""
    recited, unseen = (story.shares.get(("recited", split)) for split in ("train", "validation"))
    trained = [blank for blank in story.blanks if blank.place and blank.place.split == "train"]
    others = [blank for blank in story.blanks if blank.looked_up and blank not in trained]
    parameters = [one.parameters for one in story.made]
    return Headings(
        recited.value if recited else None,
        unseen.value if unseen else None,
        max((one.value for one in unseen.baselines), default=None) if unseen else None,
        any(blank.right for blank in trained) and bool(others) and not any(blank.right for blank in others),
        rounded(sum(parameters) / max(1, len(parameters))),
    )


def rounded(number: float) -> str:
    """Write a large number for people: `1.3 million`."""
    for size, name in ((1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{number / size:.1f} {name}"
    return f"{number:,.0f}"


def level(probability: float | None) -> str:
    """Return how likely a token was, in one of four words."""
    if probability is None:
        return LEVELS[0][0]
    return next((name for name, least, _ in LEVELS if probability >= least), SURPRISE[0])


def prose(text: str) -> str:
    """Return the text of several lines, safe to show, with its line breaks."""
    return visible(text, keep="\n")


def is_address(address: str | None) -> bool:
    """Return whether a link may lead there: results come from anywhere, and `javascript:` is an address, too."""
    return address is not None and PAGE_ADDRESS.fullmatch(address) is not None


def lines(text: str) -> str:
    """Return a text of several lines in one, with a sign for each end of a line."""
    return visible(text.replace("\n", "¶"))


def percent(share: float) -> str:
    """Write a share from 0 to 1 for people: `98.7 %`, which no line break parts."""
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def chance(probability: float) -> str:
    """Write a probability for people: `98.7 %`, and `< 0.1 %` where it is small, since it is never 0."""
    return percent(probability) if probability >= 0.001 else "<\N{NO-BREAK SPACE}0.1\N{NO-BREAK SPACE}%"
