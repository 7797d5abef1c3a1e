"""Compare what was measured on two splits: is a difference more than chance, and does a score tell them apart?"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.measuring.interval import Z

PERMUTATIONS = 9999
_AT_A_TIME = 2**22  # numbers of a batch of permutations


@dataclass(frozen=True)
class Difference:
    """By how much a share of one sample is above that of another, and how often chance alone would give as much."""

    value: float  # from -1 to 1
    p: float  # two-sided, by permutation
    permutations: int
    articles: int  # of both samples, which were relabelled


@dataclass(frozen=True)
class Auc:
    """The chance that a member scores above an other, with its 95 % confidence interval; ties count a half."""

    value: float
    low: float
    high: float
    members: int  # articles
    others: int


@dataclass(frozen=True)
class Counted:
    """Hits among trials, row by row, and the article that each row is of; int64 [rows] each."""

    hits: NDArray[np.int64]
    trials: NDArray[np.int64]
    articles: NDArray[np.int64]

    def by_article(self) -> NDArray[np.int64]:
        """Return hits and trials of each article: int64 [articles, 2]."""
        _, which = np.unique(self.articles, return_inverse=True)
        sums = np.zeros((int(which.max(initial=-1)) + 1, 2), np.int64)
        np.add.at(sums, which, np.stack([self.hits, self.trials], axis=1))
        return sums


def permutation_test(one: Counted, other: Counted, seed: int) -> Difference:
    """Test whether two samples have the same share of hits, by dealing their articles to the two anew (Fisher 1935).

    Articles are dealt, not rows: the split was drawn by articles, and rows of one article are alike. Nothing is assumed
    of how hits are spread. The samples have no article in common, so that there are no pairs to be had. The observed
    deal counts as one of the permutations, without which p could be 0 (Phipson and Smyth 2010, Stat Appl Genet Mol
    Biol 9, 39).
    """
    parts = one.by_article(), other.by_article()
    sums, count = np.concatenate(parts), len(parts[0])
    total = sums.sum(axis=0)

    def difference(chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        rest = total - chosen
        return chosen[..., 0] / np.maximum(chosen[..., 1], 1) - rest[..., 0] / np.maximum(rest[..., 1], 1)

    observed = float(difference(parts[0].sum(axis=0)))
    rng, extreme = np.random.default_rng([seed, 4]), 0
    batch = max(1, _AT_A_TIME // len(sums))
    for done in range(0, PERMUTATIONS, batch):
        keys = rng.random((min(batch, PERMUTATIONS - done), len(sums)))
        ranks = keys.argsort(axis=1).argsort(axis=1) < count
        dealt = difference(ranks.astype(np.int64) @ sums)
        extreme += int((np.abs(dealt) >= abs(observed) - 1e-12).sum())
    return Difference(observed, (extreme + 1) / (PERMUTATIONS + 1), PERMUTATIONS, len(sums))


def auc(members: NDArray[np.float64], others: NDArray[np.float64], articles: tuple[int, int]) -> Auc:
    """Return the chance that a member's score is above an other's, with Newcombe's interval.

    Args:
        members: scores of rows, float64.
        others: scores of the rows to tell them from, float64.
        articles: how many the rows of each are of. The interval is that of so many independent scores, since rows of
            one article are alike: wider than that of the rows, never narrower.

    Raises:
        ValueError: one of the two has no score.
    """
    if len(members) == 0 or len(others) == 0:
        raise ValueError("an AUC needs scores of both kinds")
    ordered = np.sort(others)
    below = np.searchsorted(ordered, members, side="left") + np.searchsorted(ordered, members, side="right")
    value = float(below.sum() / 2 / (len(members) * len(others)))
    low, high = _newcombe(value, *articles)
    return Auc(value, low, high, *articles)


def _newcombe(value: float, m: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of an AUC of m and n scores: method 5 of Newcombe 2006 (doi:10.1002/sim.2324).

    As Wilson's interval for a share, it has width at 0 and 1 and stays between them. The variance is that of Hanley and
    McNeil (1982), its two sizes replaced by their mean.
    """
    half = (m + n) / 2 - 1

    def off(theta: float) -> float:
        """How far `value` lies from theta, in standard errors at theta."""
        spread = theta * (1 - theta) * (1 + half * (1 - theta) / (2 - theta) + half * theta / (1 + theta)) / (m * n)
        return abs(value - theta) / math.sqrt(spread) if spread > 0 else math.inf

    def end(outer: float) -> float:
        inner = value
        for _ in range(60):
            middle = (inner + outer) / 2
            inner, outer = (middle, outer) if off(middle) < Z else (inner, middle)
        return inner

    return (0.0 if value == 0 else end(0.0)), (1.0 if value == 1 else end(1.0))
