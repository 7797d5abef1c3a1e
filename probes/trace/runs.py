"""Compute from how far a text follows the rows which of its runs stand there, and how much of it is new."""

from collections.abc import Sequence
from dataclasses import dataclass

from probes.records import Count, Fraction


@dataclass(frozen=True)
class Novelty:
    """How many n-grams of a text stand in no training row: the measure of McCoy et al. 2023 (TACL 11, 652-670)."""

    n: Count  # tokens
    ngrams: Count
    new: Count
    share: Fraction  # of them that are new


def maximal_runs(longest: Sequence[int], least: int) -> list[tuple[int, int]]:
    """Return the longest runs of tokens that stand in the rows, none within another, as (first, the one after).

    Runs may overlap: such text was put together from two places, or stands in both.

    Args:
        longest: for each token of a text, how many tokens from it on stand together in a row.
        least: tokens of a run; shorter ones are left out.
    """
    found: list[tuple[int, int]] = []
    reached = 0  # a run from a later token ends no earlier, and one that ends where another does is its end
    for start, length in enumerate(longest):
        if start + length > reached:
            reached = start + length
            if length >= least:
                found.append((start, reached))
    return found


def novelty(texts: Sequence[tuple[Sequence[int], int]], most: int) -> tuple[Novelty, ...]:
    """Count the n-grams of texts that are new, for each n from 1 to `most` that the texts are long enough for.

    Args:
        texts: for each its `longest` as in `maximal_runs`, and how many tokens were given: an n-gram counts where its
            last token was not given, since there the model chose it.
        most: tokens of the longest n-gram.
    """
    found = []
    for n in range(1, most + 1):
        # An n-gram that ends with token i starts with token i - n + 1.
        lengths = [
            length
            for longest, given in texts
            for length in longest[max(0, given - n + 1) : max(0, len(longest) - n + 1)]
        ]
        if lengths:
            new = sum(length < n for length in lengths)
            found.append(Novelty(n, len(lengths), new, new / len(lengths)))
    return tuple(found)
