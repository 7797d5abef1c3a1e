"""Report on shards, trainings and probes: one page for people, and metrics for machines."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined, UndefinedError
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from probes.cloze import HOW, FillMaskResult
from probes.generation import GenerationResult
from probes.model import Anatomy, LoadedModel, load, load_tokenizer
from probes.model.anatomy import anatomy
from probes.output import counted, json_text
from probes.recitation import RecitationResult
from probes.report.plots import loss_curves, recitation_by_prefix
from probes.settings import ReportSettings
from wikilm.errors import RunError
from wikilm.files import write_atomically
from wikilm.model_folder import TRAINING
from wikilm.shards import Counts, Manifest, read_manifest
from wikilm.terminal import visible

Metrics: TypeAlias = dict[str, dict[str, float]]  # group -> name -> value; counts are int

PAGE, METRICS = "index.html", "metrics.json"
TEMPLATE = "page.html.j2"


@dataclass(frozen=True)
class Inputs:
    """Where everything is that the report shows."""

    shards: Path
    tokenizer: Path
    causal: Path
    masked: Path
    results: Path


class Point(BaseModel):
    """One point of a training's history: what the page draws of it."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)
    step: int = Field(ge=0)
    loss: float | None = None
    validation_loss: float | None = None


class Training(BaseModel):
    """What the page shows of a training: a part of the training.json in the model's folder."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)
    objective: str
    steps: int = Field(gt=0)
    planned_steps: int
    epochs: float
    tokens: int
    loss: float
    mean_loss: float
    validation_loss: float
    lowest_validation_loss: float
    lowest_validation_step: int
    parameters: int
    history: tuple[Point, ...]

    def curve(self, name: str) -> list[tuple[int, float]]:
        """(step, value) of the points that have a value of that name."""
        values = [(point.step, getattr(point, name)) for point in self.history]
        return [(step, value) for step, value in values if value is not None]


T = TypeVar("T")


def read_record(path: Path, kind: type[T], made_by: str) -> T:
    """Read a JSON file as the dataclass or model that it was written from.

    Raises:
        RunError: it is missing, or does not hold what it must; `made_by` is the command that makes it.
    """
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; make it with {made_by}") from None
    except OSError as error:
        raise RunError(f"{path}: cannot read it: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "file"
        raise RunError(f"{path}: {place}: {first['msg']}; make it again with {made_by}") from None


@dataclass(frozen=True)
class Trained:
    """One model of the report: how it was trained and what it is made of."""

    kind: str
    training: Training
    anatomy: Anatomy
    curves: Any  # Markup


@dataclass(frozen=True)
class Contents:
    """All that the page shows."""

    settings: ReportSettings
    manifest: Manifest
    sample: tuple[tuple[int, str], ...]  # (id, token) of the sample text
    trained: tuple[Trained, ...]  # causal, masked
    fill_mask: FillMaskResult
    generation: GenerationResult
    recitation: RecitationResult


def gather(inputs: Inputs, settings: ReportSettings) -> Contents:
    """Read everything, and follow the sample text through both models.

    Raises:
        RunError: a file is missing or not what it must be, or a model is of the other kind.
    """
    manifest = read_manifest(inputs.shards)
    results = inputs.results
    fill_mask = read_record(results / "fill_mask.json", FillMaskResult, "python -m probes fill-mask --output")
    generation = read_record(
        results / "generation.json", GenerationResult, "python -m probes generate --steps --output"
    )
    recitation = read_record(results / "recitation.json", RecitationResult, "python -m probes recite --output")
    tokenizer = load_tokenizer(inputs.tokenizer)
    ids = [int(i) for i in tokenizer(settings.sample, add_special_tokens=False)["input_ids"]]
    sample = tuple((i, str(tokenizer.decode([i], clean_up_tokenization_spaces=False))) for i in ids)
    trained = tuple(
        _trained(folder, kind, settings.sample)
        for folder, kind in ((inputs.causal, "causal"), (inputs.masked, "masked"))
    )
    return Contents(settings, manifest, sample, trained, fill_mask, generation, recitation)


def _trained(folder: Path, kind: str, text: str) -> Trained:
    training = read_record(folder / TRAINING, Training, f"python -m train --objective {kind}")
    loaded: LoadedModel = load(str(folder))
    if loaded.kind != kind or training.objective != kind:
        raise RunError(f"{folder}: a {loaded.kind} model, not a {kind} one: are --causal and --masked exchanged?")
    lowest = (training.lowest_validation_step, training.lowest_validation_loss)
    curves = loss_curves(training.curve("loss"), training.curve("validation_loss"), lowest)
    return Trained(kind, training, anatomy(loaded, text), curves)


def metrics(contents: Contents) -> Metrics:
    """Return the figures to compare runs by, in groups; few and short, so that DVC's tables fit a terminal.

    All others are in the results, in each model's training.json and in the shards' manifest. Floats have four digits:
    a comparison with the committed figures shows what changed, and less of what two machines differ in. A figure that
    the results lack is left out.
    """
    causal, masked = (trained.training for trained in contents.trained)
    recited = [one.tokens.value for one in contents.recitation.splits if one.split == "train"]
    answers = [answer for answer in contents.fill_mask.models if answer.kind == "masked"]
    top5 = [one.top5.value for answer in answers for one in answer.accuracies if one.split == "train"]
    figures: dict[str, dict[str, float | None]] = {
        "corpus": {"rows": contents.manifest.row_count("train")},
        "causal": {"val_loss": causal.validation_loss, "recited": next(iter(recited), None)},
        "masked": {"val_loss": masked.validation_loss, "top5": next(iter(top5), None)},
    }
    return {
        group: {name: _rounded(value) for name, value in of_group.items() if value is not None}
        for group, of_group in figures.items()
    }


def _rounded(value: float) -> float:
    """Round a float to four digits; a count stays as it is."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def render(contents: Contents) -> str:
    """Render the page: every string goes through autoescape, but the plots made here.

    Raises:
        RunError: the results hold too little for a page.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"visible": visible, "prose": prose, "percent": percent, "counted": counted}
    environment.filters["count"] = lambda number: f"{number:,}"
    try:
        return environment.get_template(TEMPLATE).render(
            page=contents,
            how=HOW,
            left_out=left_out(contents.manifest.counts),
            by_prefix=recitation_by_prefix(contents.recitation.by_prefix),
            vocabulary_nats=math.log(contents.manifest.tokenizer.vocab_size),
        )
    except UndefinedError as error:
        raise RunError(
            f"the results lack what the page shows ({error}); make them again with python -m probes"
        ) from None


def left_out(counts: Counts) -> list[tuple[str, int]]:
    """Reasons and pages, most first; the namespaces, of which a dump has dozens, as one line."""
    namespaces = {reason for reason in counts.left_out if reason.startswith("namespace:")}
    lines = {reason.replace("_", " "): n for reason, n in counts.left_out.items() if reason not in namespaces}
    if namespaces:
        what = f"pages that are no articles (of {len(namespaces)} other namespaces)"
        lines[what] = sum(counts.left_out[reason] for reason in namespaces)
    return sorted(lines.items(), key=lambda line: (-line[1], line[0]))


def prose(text: str) -> str:
    """Return the text of several lines, safe to show, with its line breaks."""
    return visible(text, keep="\n")


def percent(share: float) -> str:
    """Write a share from 0 to 1 for people: `98.7 %`."""
    return f"{100 * share:.1f} %"


def headline(contents: Contents) -> str:
    """Lay out the five figures that matter for people."""
    causal = next(trained.training for trained in contents.trained if trained.kind == "causal")
    recited = {one.split: one.tokens.value for one in contents.recitation.splits}
    guessed = {
        one.split: one.top5.value
        for answer in contents.fill_mask.models
        if answer.kind == "masked"
        for one in answer.accuracies
    }
    left, after = contents.recitation.prefix, contents.recitation.continuation
    rows = [
        (recited.get("train"), f"of {after} tokens that follow {left} of its training text, the causal model recites"),
        (recited.get("validation"), "of those in text it never saw"),
        (guessed.get("train"), "of hidden tokens of its training text are among the masked model's first five guesses"),
        (guessed.get("validation"), "of those in text it never saw"),
    ]
    lines = [f"{percent(share):>8}  {what}" for share, what in rows if share is not None]
    loss = f"{causal.lowest_validation_loss:.2f}"
    when = f"at step {causal.lowest_validation_step:,} of {causal.steps:,}; {causal.validation_loss:.2f} at the end"
    lines.append(f"{loss:>8}  lowest validation loss of the causal model, {when}")
    return "\n".join(lines)


def write_report(inputs: Inputs, output: Path, settings: ReportSettings) -> tuple[Metrics, str]:
    """Write `output/index.html` and `output/metrics.json`, each whole or not at all.

    Returns:
        The metrics, and the figures that matter as text for people.

    Raises:
        RunError: something to report is missing or is not what it must be; nothing is written then.
    """
    contents = gather(inputs, settings)
    page, figures, told = render(contents), metrics(contents), headline(contents)
    write_atomically(output / METRICS, json_text(figures))
    write_atomically(output / PAGE, page)
    return figures, told
