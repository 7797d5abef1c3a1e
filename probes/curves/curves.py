"""Ask the checkpoints of models the same questions: what they guess, recite and write, and how surprised they are."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from probes.cloze.answer import Choice
from probes.cloze.cloze import fill
from probes.cloze.hidden_tokens import accuracy, hidden_baselines, hidden_rows
from probes.curves.checkpoints import Checkpoint, find_checkpoints
from probes.generation import continue_prompts
from probes.measuring import (
    Baseline,
    RowSample,
    Share,
    TrainingCounts,
    blind_loss,
    count_training,
    hidden_token_losses,
    next_token_losses,
    sample_rows,
)
from probes.model import LoadedModel, load
from probes.recitation.attempts import check_lengths, continue_greedily, score
from probes.records import Finite
from probes.settings import ANY_MACHINE, CurvesSettings, Machine
from wikilm.shards import SPLITS


@dataclass(frozen=True)
class SplitAnswers:
    """What a checkpoint makes of the rows of one split."""

    split: str
    rows: int
    loss: float  # mean nats: of a causal model over all tokens but a row's first, of a masked one over hidden tokens
    top1: Share  # of hidden tokens
    top5: Share
    recited: Share | None  # of the tokens that follow a prefix; causal models only
    whole: Share | None  # of the continuations, those without an error


@dataclass(frozen=True)
class Point:
    """What one checkpoint answers."""

    checkpoint: str  # its folder, as the caller named the model's
    step: int
    is_best: bool
    is_last: bool
    splits: tuple[SplitAnswers, ...]
    filled: str  # the text of the cloze with the likeliest choice in every blank
    choices: tuple[Choice, ...]  # for its first blank, likeliest first
    continuation: str | None  # of the prompt, without it; causal models only


@dataclass(frozen=True)
class Yardstick:
    """What counts of the training rows alone make of the same rows of one split, whatever the step."""

    split: str
    blind_loss: float  # nats of a token that is guessed by its frequency among the training rows, blind to its context
    baselines: tuple[Baseline, ...]  # of the same hidden tokens


@dataclass(frozen=True)
class ModelCurve:
    """The checkpoints of one model, in the order of their steps."""

    name: str
    kind: str
    points: tuple[Point, ...]
    yardsticks: tuple[Yardstick, ...] = ()


@dataclass(frozen=True)
class CurvesResult:
    """What the command `curves` answers."""

    metrics: dict[str, Finite]
    cloze: str
    prompt: str
    prefix: int
    continuation: int
    models: tuple[ModelCurve, ...]


def ask_checkpoints(
    models: Sequence[Path], shards: Path, settings: CurvesSettings, machine: Machine = ANY_MACHINE
) -> CurvesResult:
    """Ask every checkpoint of every model; only one is in memory at a time.

    Raises:
        RunError: a folder that training did not write, or one that does not fit the shards.
        UsageError: prefix and continuation do not fit into a row, or the texts not into a model.
    """
    found = {model: find_checkpoints(model) for model in models}  # before any is asked, which takes a while
    points: dict[Path, list[Point]] = {model: [] for model in found}
    kinds: dict[Path, str] = {}
    measured: dict[Path, tuple[Yardstick, ...]] = {}
    counts: TrainingCounts | None = None
    todo = [(model, checkpoint) for model, checkpoints in found.items() for checkpoint in checkpoints]
    for model, checkpoint in tqdm(todo, unit="checkpoint", disable=None, file=sys.stderr):
        loaded = load(str(checkpoint.folder), machine)
        sample = sample_rows(shards, loaded, settings.rows, settings.seed)
        points[model].append(ask(loaded, checkpoint, sample, settings))
        if checkpoint.is_last:
            if counts is None:  # once for all models, which read the same shards
                counts = count_training(sample.shards, settings.seed)
            kinds[model], measured[model] = loaded.kind, yardsticks(counts, sample, loaded.kind, settings)
    curves = tuple(
        ModelCurve(str(model), kinds[model], tuple(of_model), measured[model]) for model, of_model in points.items()
    )
    return CurvesResult(
        dict(_metrics(curves)), settings.cloze, settings.prompt, settings.prefix, settings.continuation, curves
    )


def ask(loaded: LoadedModel, checkpoint: Checkpoint, sample: RowSample, settings: CurvesSettings) -> Point:
    """Ask one checkpoint."""
    if loaded.kind == "causal":
        check_lengths(loaded, sample.manifest.chunk_tokens, settings.prefix, settings.continuation)
    cloze = fill(loaded, settings.cloze, settings.top_k, settings.candidates)
    continuation = None
    if loaded.kind == "causal":
        continuation = continue_prompts(loaded, [settings.prompt], settings.max_new_tokens)[0].continuation
    return Point(
        loaded.name,
        checkpoint.step,
        checkpoint.is_best,
        checkpoint.is_last,
        tuple(_splits(loaded, sample, settings)),
        cloze.filled,
        cloze.blanks[0].choices,
        continuation,
    )


def yardsticks(counts: TrainingCounts, sample: RowSample, kind: str, settings: CurvesSettings) -> tuple[Yardstick, ...]:
    """Guess what checkpoints of a model of this kind are asked by counts of the training rows alone."""
    blind = blind_loss(counts, sample.validation)
    found = []
    for split, loss in zip(SPLITS, (blind.unigram_train, blind.unigram_validation), strict=True):
        rows, hidden = hidden_rows(sample, split, settings.masked_fraction, settings.seed)
        baselines = hidden_baselines(counts, rows, hidden, settings.seed, both_sides=kind == "masked")
        found.append(Yardstick(split, loss, baselines))
    return tuple(found)


def _splits(loaded: LoadedModel, sample: RowSample, settings: CurvesSettings) -> Iterator[SplitAnswers]:
    guessed = {one.split: one for one in accuracy(loaded, sample, settings.masked_fraction, settings.seed)}
    for split in SPLITS:
        rows, right = sample.split(split), guessed[split]
        if loaded.kind == "masked":
            rows, hidden = hidden_rows(sample, split, settings.masked_fraction, settings.seed)
            loss = hidden_token_losses(loaded, rows, hidden).mean()
            yield SplitAnswers(split, len(rows), float(loss), right.top1, right.top5, None, None)
            continue
        loss = next_token_losses(loaded, rows).mean()
        truth = rows[:, settings.prefix : settings.prefix + settings.continuation]
        added = continue_greedily(loaded, rows[:, : settings.prefix], settings.continuation, settings.batch_rows)
        recited = score(split, truth, added, settings.prefix, settings.seed)
        yield SplitAnswers(split, len(rows), float(loss), right.top1, right.top5, recited.tokens, recited.whole)


def values(answers: SplitAnswers) -> dict[str, float]:
    """Return the figures of a split by their names."""
    shares = {name: getattr(answers, name) for name in ("top1", "top5", "recited", "whole")}
    return {"loss": answers.loss} | {name: share.value for name, share in shares.items() if share is not None}


def by_short_name(curves: Sequence[ModelCurve]) -> Iterator[tuple[str, ModelCurve]]:
    """Yield each curve with the last part of its model's name, and a number where another has the same."""
    taken: dict[str, int] = {}
    for curve in curves:
        name = Path(curve.name).resolve().name
        taken[name] = taken.get(name, 0) + 1
        yield name if taken[name] == 1 else f"{name}-{taken[name]}", curve


def _metrics(curves: Sequence[ModelCurve]) -> Iterator[tuple[str, float]]:
    """Yield the figures of the best and of the last checkpoint: `causal_best_validation_loss` and the like."""
    for name, curve in by_short_name(curves):
        for point in curve.points:
            for which in [which for which, is_it in (("best", point.is_best), ("last", point.is_last)) if is_it]:
                label = f"{name}_{which}"
                yield f"{label}_step", float(point.step)
                for answers in point.splits:
                    yield from ((f"{label}_{answers.split}_{key}", value) for key, value in values(answers).items())
