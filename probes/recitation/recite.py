"""Measure what a causal model has learned by heart, and what may explain it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.measuring import (
    Counted,
    Difference,
    RowSample,
    Share,
    TrainingCounts,
    continue_by_bigram,
    continue_by_most_common,
    count_training,
    next_token_losses,
    permutation_test,
)
from probes.measuring.baselines import BIGRAM, MOST_COMMON
from probes.model import LoadedModel
from probes.recitation.attempts import ANYWHERE, START, Attempt, Recited, attempt, check_lengths, score, score_attempt
from probes.recitation.canaries import ByTimes, CanaryAnswer, ask_canaries, by_times
from probes.recitation.examples import Example, examples
from probes.recitation.membership import Membership, membership, row_articles
from probes.recitation.reasons import Group, Predictable, groups, guessed, predictable, times_in_training
from probes.records import Fraction
from probes.settings import RecitationSettings
from wikilm.errors import UsageError
from wikilm.shards import SPLITS


@dataclass(frozen=True)
class ByCounts:
    """What a continuation from counts of the training rows alone has in common with the text."""

    name: str  # a key of HOW_BASELINES
    split: str
    tokens: Share
    whole: Share


@dataclass(frozen=True)
class RecitationResult:
    """What the command `recite` answers.

    Attributes:
        splits: each split, at the prefix and continuation asked for, from the start of its rows.
        by_prefix: some of the rows, for every prefix length, from their start.
        anywhere: the same rows, from drawn places in them.
        by_continuation: all rows, for every continuation length, from their start.
        baselines: the same rows as in `splits`, continued by counts of the training rows.
        difference: train above validation, of the tokens in `splits`.
        canaries: the made-up sentences that were planted, where there are any; `by_times`: by how often they were.
    """

    metrics: dict[str, Fraction]
    model: str
    prefix: int
    continuation: int
    splits: tuple[Recited, ...]
    by_prefix: tuple[Recited, ...]
    examples: tuple[Example, ...]
    baselines: tuple[ByCounts, ...] = ()
    anywhere: tuple[Recited, ...] = ()
    by_continuation: tuple[Recited, ...] = ()
    difference: Difference | None = None
    predictable: tuple[Predictable, ...] = ()
    groups: tuple[Group, ...] = ()
    membership: tuple[Membership, ...] = ()
    canaries: tuple[CanaryAnswer, ...] = ()
    by_times: tuple[ByTimes, ...] = ()


def recite(loaded: LoadedModel, sample: RowSample, settings: RecitationSettings) -> RecitationResult:
    """Measure recitation on both splits: at the lengths asked for, by length, by place, and by what may explain it.

    Lengths of the curves that do not fit into a row or the model are left out.

    Raises:
        UsageError: a model that is not causal, or a prefix and continuation that do not fit into a row or the model.
        RunError: a record of the rows that were seen that is damaged, or of other shards.
    """
    chunk_tokens = sample.manifest.chunk_tokens
    if loaded.kind != "causal":
        raise UsageError(f"{loaded.name}: a masked model does not recite; give a causal one")
    check_lengths(loaded, chunk_tokens, settings.prefix, settings.continuation)
    room = min(chunk_tokens, loaded.positions or chunk_tokens)
    longest = max(settings.continuation, *(n for n in settings.continuation_lengths if n <= room - settings.prefix), 0)

    losses = {split: next_token_losses(loaded, sample.split(split)[:, :room]) for split in SPLITS}

    def tried(rows: RowSample, split: str, place: str, prefix: int, continuation: int) -> Attempt:
        of_rows = losses[split][np.searchsorted(sample.numbers_of(split), rows.numbers_of(split))]
        return attempt(
            loaded,
            rows,
            split,
            place,
            prefix,
            continuation,
            seed=settings.seed,
            batch_rows=settings.batch_rows,
            row_losses=of_rows,
        )

    asked = [tried(sample, split, START, settings.prefix, longest) for split in SPLITS]
    headline = [made.cut(settings.continuation) for made in asked]
    prefixes = sorted({settings.prefix, *(n for n in settings.prefix_lengths if n <= room - settings.continuation)})
    curves: dict[str, list[Recited]] = {START: [], ANYWHERE: []}
    few = sample.thinned(settings.curve_rows)
    for place, curve in curves.items():
        for split in SPLITS:
            for prefix in prefixes:
                made = tried(few, split, place, prefix, settings.continuation)
                curve.append(score_attempt(made, settings.seed))
    lengths = sorted({settings.continuation, *(n for n in settings.continuation_lengths if n <= longest)})
    by_continuation = [score_attempt(made.cut(n), settings.seed) for made in asked for n in lengths]
    counts = count_training(sample.shards, settings.seed)
    by_bigram = [guessed(counts, made) for made in headline]
    occurrences = times_in_training(sample.shards, headline)
    articles = [row_articles(sample, split) for split in SPLITS]
    canaries = ask_canaries(loaded, sample.manifest, settings)
    result = RecitationResult(
        metrics={},
        model=loaded.name,
        prefix=settings.prefix,
        continuation=settings.continuation,
        splits=tuple(one for one in by_continuation if one.continuation == settings.continuation),
        by_prefix=tuple(curves[START]),
        examples=tuple(
            one for made in headline for one in examples(loaded, sample.shards, made, settings.examples, settings.seed)
        ),
        baselines=tuple(one for made in headline for one in by_counts(counts, made, settings.seed)),
        anywhere=tuple(curves[ANYWHERE]),
        by_continuation=tuple(by_continuation),
        difference=difference(headline, articles, settings.seed),
        predictable=tuple(
            predictable(made, right, settings.seed) for made, right in zip(headline, by_bigram, strict=True)
        ),
        groups=tuple(groups(loaded, sample.shards, headline, by_bigram, occurrences, settings.seed)),
        membership=membership(loaded, sample, losses, articles),
        canaries=canaries,
        by_times=by_times(canaries, settings.seed),
    )
    result.metrics.update(_metrics(result))
    return result


def by_counts(counts: TrainingCounts, made: Attempt, seed: int) -> Iterator[ByCounts]:
    """Continue the same prefixes by the most common token, and by the one that most often follows the last."""
    for name, continue_by in ((MOST_COMMON, continue_by_most_common), (BIGRAM, continue_by_bigram)):
        added = continue_by(counts, made.prefixes, made.truth.shape[1])
        scored = score(made.split, made.truth, added, made.prefixes.shape[1], seed)
        yield ByCounts(name, made.split, scored.tokens, scored.whole)


def difference(attempts: Sequence[Attempt], articles: Sequence[NDArray[np.int64]], seed: int) -> Difference:
    """Test whether more tokens of training rows are recited than of validation rows; see `row_articles`."""
    train, validation = (
        Counted(
            made.equal.sum(axis=1, dtype=np.int64),
            np.full(len(made.truth), made.truth.shape[1], np.int64),
            of_rows,
        )
        for made, of_rows in zip(attempts, articles, strict=True)
    )
    return permutation_test(train, validation, seed)


def _metrics(result: RecitationResult) -> dict[str, float]:
    """Flat figures: `train_tokens` and the like, from 0 to 1."""
    figures = {f"{p.split}_{what}": getattr(p, what).value for p in result.splits for what in ("tokens", "whole")}
    for point in result.anywhere:
        if point.prefix == result.prefix:
            figures[f"{point.split}_anywhere_tokens"] = point.tokens.value
    for one in result.predictable:
        if one.beyond is not None:
            figures[f"{one.split}_beyond_bigram"] = one.beyond.value
    return figures | {f"membership_auc_{one.score}": one.auc.value for one in result.membership}
