"""Answer the question `fill-mask` for one model or several."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from probes.cloze.answer import Cloze
from probes.cloze.answer import describe as describe_cloze
from probes.cloze.cloze import fill
from probes.cloze.hidden_tokens import Accuracy, accuracy
from probes.measuring import sample_rows
from probes.model import LoadedModel, load
from probes.output import table
from probes.settings import FillMaskSettings
from wikilm.terminal import visible


@dataclass(frozen=True)
class ModelClozes:
    """What one model makes of the texts, and of hidden tokens of the shards."""

    name: str
    kind: str
    clozes: tuple[Cloze, ...]
    accuracies: tuple[Accuracy, ...]  # train, validation; empty without shards


@dataclass(frozen=True)
class FillMaskResult:
    """What the command `fill-mask` answers."""

    metrics: dict[str, float]
    masked_fraction: float
    models: tuple[ModelClozes, ...]


def run_fill_mask(names: Sequence[str], shards: Path | None, settings: FillMaskSettings) -> FillMaskResult:
    """Ask every model in turn; only one is in memory at a time."""
    answers: list[ModelClozes] = []
    labels: list[str] = []
    for name in names:
        loaded = load(name)
        labels.append(_label(loaded, labels))
        answers.append(_ask(loaded, shards, settings))
    return FillMaskResult(metrics(zip(labels, answers, strict=True)), settings.masked_fraction, tuple(answers))


def _ask(loaded: LoadedModel, shards: Path | None, settings: FillMaskSettings) -> ModelClozes:
    clozes = tuple(fill(loaded, text, settings.top_k, settings.candidates, settings.words) for text in settings.texts)
    if shards is None:
        return ModelClozes(loaded.name, loaded.kind, clozes, ())
    rows = sample_rows(shards, loaded, settings.rows, settings.seed)
    return ModelClozes(
        loaded.name, loaded.kind, clozes, accuracy(loaded, rows, settings.masked_fraction, settings.seed)
    )


def _label(loaded: LoadedModel, taken: Sequence[str]) -> str:
    """Return the model's short name, with a number where another has it too."""
    same = sum(1 for label in taken if label.rpartition("#")[0] == loaded.short_name or label == loaded.short_name)
    return loaded.short_name if same == 0 else f"{loaded.short_name}#{same + 1}"


def metrics(answers: Iterable[tuple[str, ModelClozes]]) -> dict[str, float]:
    """Flat figures: `masked_train_top5` and the like, from 0 to 1."""
    return {
        f"{label}_{accuracy.split}_{what}": getattr(accuracy, what).value
        for label, answer in answers
        for accuracy in answer.accuracies
        for what in ("top1", "top5")
    }


def describe(result: FillMaskResult) -> str:
    """Lay out the answers for people."""
    parts = []
    for answer in result.models:
        parts += [f"{visible(answer.name)}, a {answer.kind} language model", ""]
        parts += [describe_cloze(cloze) for cloze in answer.clozes]
        if answer.accuracies:
            share = f"{100 * result.masked_fraction:g} % of the tokens of each row"
            parts.append(f"  hidden tokens, {share}, guessed from {answer.accuracies[0].context}:")
            rows = [["split", "rows", "hidden", "first guess right", "among the first five"]]
            rows += [[a.split, str(a.rows), f"{a.places:,}", str(a.top1), str(a.top5)] for a in answer.accuracies]
            parts += [table(rows), ""]
    return "\n".join(parts)
