"""Score a file of statements: how often, how early and how surely a model finds the answers."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from probes.cloze.answer_score import Answer, Guess, score_answer
from probes.cloze.statements import Statement
from probes.measuring import Mean, Share, TrainingCounts, bootstrap_mean, guess_between, wilson
from probes.model import LoadedModel
from probes.output import counted, quoted, table
from probes.records import Count, Fraction, Nats
from wikilm.errors import UsageError
from wikilm.terminal import visible

DEPTHS = (1, 5, 10)


@dataclass(frozen=True)
class Scores:
    """How well the answers to some statements are found."""

    statements: Count
    p_at_1: Share  # of the answers, those that nothing is likelier than; Wilson's interval
    p_at_5: Share  # those among the first five
    p_at_10: Share
    mean_reciprocal_rank: Mean  # of a baseline, 0 where the answer is not among its ten guesses
    bits_per_token: Mean | None  # of the answers; None of a baseline, which says no probabilities


@dataclass(frozen=True)
class BaselineScores:
    """How well guesses from counts of the training rows find them: one token each, so never an answer of several."""

    name: str  # a key of HOW_BASELINES
    scores: Scores


@dataclass(frozen=True)
class FileScores:
    """What a model makes of a file of statements."""

    file: str
    reading: str  # a key of READINGS
    left_out: Count  # statements with more tokens than the model has positions
    scores: Scores
    without_subject: Scores | None  # of the statements that name a subject, with that left out
    baselines: tuple[BaselineScores, ...]


@dataclass(frozen=True)
class Answered:
    """What a model makes of one statement."""

    line: Count
    text: str
    answer: str
    subject: str | None
    tokens: Count  # of the answer
    rank: Count
    probability: Fraction  # of the whole answer
    bits_per_token: Nats
    guesses: tuple[Guess, ...]
    rank_without_subject: Count | None
    bits_per_token_without_subject: Nats | None
    baseline_ranks: dict[str, int | None]  # None where it is not among the ten guesses


def score_file(
    loaded: LoadedModel, name: str, statements: Sequence[Statement], counts: TrainingCounts | None, seed: int
) -> tuple[FileScores, tuple[Answered, ...]]:
    """Score each statement of a file, as it stands and without its subject, and beside baselines where counted.

    Raises:
        UsageError: each of its statements has more tokens than the model has positions.
        RunError: the model cannot fill blanks.
    """
    taken, found, bare = [], [], []
    for statement in tqdm(statements, desc=visible(name), unit="statement", disable=None, file=sys.stderr):
        where, text = f"--file {name}: line {statement.line}", statement.without_subject
        try:
            found.append(score_answer(loaded, statement.text, statement.answer, where))
        except UsageError as error:
            too_long = error
            continue
        taken.append(statement)
        bare.append(score_answer(loaded, text, statement.answer, where) if text is not None else None)
    if not taken:
        raise too_long
    baselines = baseline_ranks(found, counts, both_sides=loaded.kind == "masked") if counts else {}
    known = [answer for answer in bare if answer is not None]
    of_baselines = (BaselineScores(key, scores(ranks, None, None, seed)) for key, ranks in baselines.items())
    sums = FileScores(
        file=name,
        reading="masked" if loaded.kind == "masked" else "left",
        left_out=len(statements) - len(taken),
        scores=_scores_of(found, seed),
        without_subject=_scores_of(known, seed) if known else None,
        baselines=tuple(of_baselines),
    )
    ranks_of = [{key: ranks[i] for key, ranks in baselines.items()} for i in range(len(found))]
    return sums, tuple(map(_answered, taken, found, bare, ranks_of))


def baseline_ranks(
    answers: Sequence[Answer], counts: TrainingCounts, *, both_sides: bool
) -> dict[str, list[int | None]]:
    """Return for each baseline the place of each answer among its guesses, from 1; None where it is not there."""
    left, right = (np.array([getattr(one, end) for one in answers], dtype=np.int64) for end in ("left", "right"))
    return {
        name: [
            guesses.tolist().index(answer.ids[0]) + 1 if len(answer.ids) == 1 and answer.ids[0] in guesses else None
            for answer, guesses in zip(answers, table, strict=True)
        ]
        for name, table in guess_between(counts, left, right if both_sides else None).items()
    }


def scores(
    ranks: Sequence[int | None], nats: Sequence[float] | None, tokens: Sequence[int] | None, seed: int
) -> Scores:
    """Sum up ranks (None: not found), and the nats and tokens of the answers where they are known."""
    first, five, ten = (wilson(sum(rank is not None and rank <= n for rank in ranks), len(ranks)) for n in DEPTHS)
    reciprocal = bootstrap_mean(np.array([1 / rank if rank else 0.0 for rank in ranks]), seed)
    bits = None
    if nats is not None and tokens is not None:
        bits = bootstrap_mean(np.array(nats) / math.log(2), seed, np.array(tokens, dtype=np.float64))
    return Scores(len(ranks), first, five, ten, reciprocal, bits)


def _scores_of(answers: Sequence[Answer], seed: int) -> Scores:
    ranks = [answer.rank for answer in answers]
    return scores(ranks, [answer.nats for answer in answers], [len(answer.ids) for answer in answers], seed)


def _answered(statement: Statement, found: Answer, bare: Answer | None, ranks: dict[str, int | None]) -> Answered:
    return Answered(
        line=statement.line,
        text=statement.text,
        answer=statement.answer,
        subject=statement.subject,
        tokens=len(found.ids),
        rank=found.rank,
        probability=math.exp(-found.nats),
        bits_per_token=_bits(found),
        guesses=found.guesses,
        rank_without_subject=bare.rank if bare else None,
        bits_per_token_without_subject=_bits(bare) if bare else None,
        baseline_ranks=ranks,
    )


def _bits(answer: Answer) -> float:
    return answer.nats / math.log(2) / len(answer.ids)


def describe(sums: FileScores) -> str:
    """Lay out the sums of a file for people."""
    lines = [f"  {quoted(sums.file)}: {sums.scores.statements} statements; answers read by `{sums.reading}`"]
    if sums.left_out:
        lines.append(f"  {counted(sums.left_out, 'statement')} more with too many tokens for this model")
    rows = [["guesser", "first", "among five", "among ten", "reciprocal rank", "bits per token"]]
    named = [("the model", sums.scores), ("without the subject", sums.without_subject)]
    named += [(one.name.replace("_", " "), one.scores) for one in sums.baselines]
    for name, of in named:
        if of:
            bits = str(of.bits_per_token) if of.bits_per_token else ""
            rows.append([name, str(of.p_at_1), str(of.p_at_5), str(of.p_at_10), str(of.mean_reciprocal_rank), bits])
    return "\n".join([*lines, table(rows)])
