"""Trace a tokenized text: which of its runs stand in the rows, how often, and in which rows of which articles."""

from dataclasses import dataclass

import numpy as np

from probes.settings import TraceSettings
from probes.trace.index import Index
from probes.trace.runs import Novelty, maximal_runs, novelty
from probes.trace.texts import TokenizedText
from wikilm.shards import SPLITS, Article


@dataclass(frozen=True)
class Place:
    """One of the places of a run."""

    split: str
    row: int  # of the split, as `python -m pipeline.locate` takes it
    tokens: tuple[int, int]  # of the row: the first, and the one after the last
    articles: tuple[Article, ...]  # several where the run goes over an end of text


@dataclass(frozen=True)
class Run:
    """A run of tokens of the text that stands in one row or more just so, and no longer run around it does."""

    tokens: tuple[int, int]  # of the text: the first, and the one after the last
    characters: tuple[int, int]  # of the text, the same
    text: str
    train: int  # places in training rows
    validation: int  # places in validation rows
    places: tuple[Place, ...]  # the first of each split


@dataclass(frozen=True)
class Trace:
    """Where a text stands in the rows."""

    text: str
    tokens: int
    given: int  # of these, those of the prompt
    given_characters: int
    runs: tuple[Run, ...]  # that stand in training rows, in the order of the text
    validation_runs: tuple[Run, ...]  # those of validation rows that stand in no training row
    traced_tokens: int  # of those that were not given, how many lie in one of `runs`
    novelty: tuple[Novelty, ...]  # against the training rows, of the n-grams that the model ended


def trace(index: Index, traced: TokenizedText, settings: TraceSettings) -> Trace:
    """Trace one text. A run never goes over the end of a row: a row is all that a model sees at once.

    Raises:
        RunError: the index or the shards are damaged.
    """
    longest = {split: index.longest(split, traced.ids) for split in SPLITS}
    spans = {split: maximal_runs(longest[split], settings.min_tokens) for split in SPLITS}
    unseen = [span for span in spans["validation"] if longest["train"][span[0]] < span[1] - span[0]]
    runs = tuple(_run(index, traced, span, settings.places) for span in spans["train"])
    inside = np.zeros(len(traced.ids), dtype=bool)
    for start, end in spans["train"]:
        inside[start:end] = True
    return Trace(
        text=traced.text,
        tokens=len(traced.ids),
        given=traced.given,
        given_characters=traced.offsets[traced.given - 1][1] if traced.given else 0,
        runs=runs,
        validation_runs=tuple(_run(index, traced, span, settings.places) for span in unseen),
        traced_tokens=int(inside[traced.given :].sum()),
        novelty=novelty([(longest["train"], traced.given)], settings.ngrams),
    )


def novelty_of_unseen(index: Index, settings: TraceSettings) -> tuple[Novelty, ...]:
    """Return how new the validation rows are, at most `settings.validation_rows` of them evenly spread: the yardstick
    for a text of a model that copies no more than a writer does who never read the training rows.
    """
    rows = index.shards.rows("validation")
    count = min(len(rows), settings.validation_rows)
    texts = rows.take(np.linspace(0, len(rows) - 1, count).astype(np.int64)) if count else ()
    return novelty([(index.longest("train", row.tolist()), 0) for row in texts], settings.ngrams)


def _run(index: Index, traced: TokenizedText, span: tuple[int, int], most: int) -> Run:
    ids = traced.ids[slice(*span)]
    first, last = traced.offsets[span[0]][0], traced.offsets[span[1] - 1][1]
    times = {split: index.times(split, ids) for split in SPLITS}
    places = tuple(
        Place(split, row, held, index.origins.articles(split, row, held))
        for split in SPLITS
        if times[split]
        for row, token in index.places(split, ids, most)
        for held in [(token, token + len(ids))]
    )
    return Run(span, (first, last), traced.text[first:last], times["train"], times["validation"], places)
