"""Answer the question `fill-mask` for one model or several."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from probes.cloze.answer import Cloze
from probes.cloze.answer import describe as describe_cloze
from probes.cloze.cloze import fill
from probes.cloze.file_scores import DEPTHS, Answered, FileScores, score_file
from probes.cloze.file_scores import describe as describe_file
from probes.cloze.hidden_tokens import Accuracy, accuracy
from probes.cloze.statements import read_statements
from probes.measuring import (
    HOW_BASELINES,
    BlindLoss,
    blind_loss,
    count_training,
    sample_rows,
)
from probes.model import LoadedModel, load
from probes.output import table
from probes.records import Count, Fraction
from probes.settings import ANY_MACHINE, FillMaskSettings, Machine
from wikilm.terminal import visible


@dataclass(frozen=True)
class ModelClozes:
    """What one model makes of the texts, and of hidden tokens of the shards."""

    name: str
    kind: str
    clozes: tuple[Cloze, ...]
    accuracies: tuple[Accuracy, ...]  # train, validation; empty without shards
    files: tuple[FileScores, ...] = ()  # of statements


@dataclass(frozen=True)
class Counted:
    """What the baselines were made from, and what a blind guesser loses."""

    rows: Count  # of the training split
    tokens: Count  # in these rows
    blind_loss: BlindLoss


@dataclass(frozen=True)
class FileAnswers:
    """What one model makes of each statement of a file."""

    model: str
    kind: str
    file: str
    answers: tuple[Answered, ...]


@dataclass(frozen=True)
class FillMaskResult:
    """What the command `fill-mask` answers."""

    metrics: dict[str, Fraction]
    masked_fraction: Fraction
    models: tuple[ModelClozes, ...]
    counted: Counted | None = None  # None without shards


def run_fill_mask(
    names: Sequence[str],
    shards: Path | None,
    settings: FillMaskSettings,
    machine: Machine = ANY_MACHINE,
    files: Sequence[str] = (),
    *,
    layers: bool = False,
) -> tuple[FillMaskResult, tuple[FileAnswers, ...]]:
    """Ask every model in turn; only one is in memory at a time.

    Args:
        names: of the models.
        shards: whose rows have tokens to hide, and are counted for the baselines.
        settings: of the question.
        machine: where the models compute.
        files: of statements; see `statements.statements_file`.
        layers: ask what each layer of a masked model alone would say, too.

    Returns:
        The answers with all sums, and the answers to each statement.
    """
    statements = {file: read_statements(file) for file in files}  # before any model is asked, which takes a while
    answers: list[ModelClozes] = []
    of_files: list[FileAnswers] = []
    labels: list[str] = []
    counts, counted = None, None
    for name in names:
        loaded = load(name, machine)
        labels.append(_label(loaded, labels))
        sample = sample_rows(shards, loaded, settings.rows, settings.seed) if shards else None
        if sample and counts is None:  # once for all models, which read the same shards
            counts = count_training(sample.shards, settings.seed)
            counted = Counted(counts.rows, int(counts.tokens.sum()), blind_loss(counts, sample.validation))
        scored = [score_file(loaded, file, each, counts, settings.seed) for file, each in statements.items()]
        of_files += [FileAnswers(name, loaded.kind, sums.file, each) for sums, each in scored]
        clozes = _clozes(loaded, settings, layers=layers)
        found = accuracy(loaded, sample, settings.masked_fraction, settings.seed, counts) if sample else ()
        answers.append(ModelClozes(name, loaded.kind, clozes, found, tuple(sums for sums, _ in scored)))
    figures = metrics(zip(labels, answers, strict=True))
    return FillMaskResult(figures, settings.masked_fraction, tuple(answers), counted), tuple(of_files)


def _clozes(loaded: LoadedModel, settings: FillMaskSettings, *, layers: bool) -> tuple[Cloze, ...]:
    how = (settings.top_k, settings.candidates, settings.words)
    return tuple(fill(loaded, text, *how, layers=layers) for text in settings.texts)


def _label(loaded: LoadedModel, taken: Sequence[str]) -> str:
    """Return the model's short name, with a number where another has it too."""
    same = sum(1 for label in taken if label.rpartition("#")[0] == loaded.short_name or label == loaded.short_name)
    return loaded.short_name if same == 0 else f"{loaded.short_name}#{same + 1}"


def metrics(answers: Iterable[tuple[str, ModelClozes]]) -> dict[str, float]:
    """Flat figures: `masked_train_top5`, `masked_train_bigram_top5` of a baseline, and the like, from 0 to 1."""
    pairs = list(answers)
    of_files = {
        f"{label}_{Path(sums.file).stem}_p_at_{depth}": getattr(sums.scores, f"p_at_{depth}").value
        for label, answer in pairs
        for sums in answer.files
        for depth in DEPTHS
    }
    return of_files | {
        f"{label}_{accuracy.split}_{prefix}{what}": getattr(shares, what).value
        for label, answer in pairs
        for accuracy in answer.accuracies
        for prefix, shares in (("", accuracy), *((f"{one.name}_", one) for one in accuracy.baselines))
        for what in ("top1", "top5")
    }


def describe(result: FillMaskResult) -> str:
    """Lay out the answers for people."""
    parts = []
    for answer in result.models:
        parts += [f"{visible(answer.name)}, a {answer.kind} language model", ""]
        parts += [describe_cloze(cloze) for cloze in answer.clozes]
        if answer.accuracies:
            parts += [_describe_accuracies(answer, result.masked_fraction), ""]
        for sums in answer.files:
            parts += [describe_file(sums), ""]
    return "\n".join(parts)


def _describe_accuracies(answer: ModelClozes, fraction: float) -> str:
    """Lay out the shares of right guesses, those of the baselines under the model's."""
    share = f"{100 * fraction:g} % of the tokens of each row"
    lines = [f"  hidden tokens, {share}, guessed from {answer.accuracies[0].context}:"]
    rows = [["split", "rows", "hidden", "guesser", "first guess right", "among the first five"]]
    for a in answer.accuracies:
        rows.append([a.split, str(a.rows), f"{a.places:,}", "the model", str(a.top1), str(a.top5)])
        rows += [["", "", "", one.name.replace("_", " "), str(one.top1), str(one.top5)] for one in a.baselines]
    lines.append(table(rows))
    lines += [f"  {one.name.replace('_', ' ')}: {HOW_BASELINES[one.name]}" for one in answer.accuracies[0].baselines]
    return "\n".join(lines)
