"""Compute the share of trials that are hits, with its 95 % confidence interval."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.records import Count, Fraction

_Z = 1.959963984540054  # the 97.5 % point of the normal distribution
RESAMPLES = 2000


@dataclass(frozen=True)
class Share:
    """A share of `trials`, from 0 to 1, with the ends of its 95 % confidence interval."""

    value: Fraction
    low: Fraction
    high: Fraction
    trials: Count

    def __post_init__(self) -> None:
        """Refuse an interval that does not hold its share.

        Raises:
            ValueError: it does not.
        """
        if not self.low <= self.value <= self.high:
            raise ValueError(f"the share {self.value} is not within its interval from {self.low} to {self.high}")

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} % ({100 * self.low:.1f}–{100 * self.high:.1f})"


def wilson(hits: int, trials: int) -> Share:
    """Return the share of independent yes-or-no trials, with Wilson's score interval (Wilson 1927, JASA 22, 209–212).

    Unlike the normal approximation it stays within 0 and 1 and has width at 0 % and at 100 %.

    Raises:
        ValueError: no trials, or more hits than trials.
    """
    if not 0 <= hits <= trials or trials == 0:
        raise ValueError(f"{hits} hits of {trials} trials are no share")
    p, z2 = hits / trials, _Z * _Z
    middle = (p + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z * math.sqrt(p * (1 - p) / trials + z2 / (4 * trials * trials)) / (1 + z2 / trials)
    # At the ends the bound is the share itself; rounding must not put the share outside its interval.
    return Share(p, min(p, max(0.0, middle - half)), max(p, min(1.0, middle + half)), trials)


def bootstrap(hits: NDArray[np.int64], trials: NDArray[np.int64], seed: int) -> Share:
    """Return the share of all trials that are hits, with a percentile bootstrap over rows (Efron 1979).

    Tokens of one row are not independent, so that rows are what is drawn again: `hits` and `trials` are int64 [rows].
    Where every row has the same share (all right, or all wrong), resampling says nothing; there the interval is
    Wilson's with rows as trials.

    Raises:
        ValueError: no rows, or a row without trials.
    """
    if len(hits) == 0 or len(hits) != len(trials) or int(trials.min()) < 1:
        raise ValueError("a bootstrap needs at least one row, each with trials")
    value, total = float(hits.sum() / trials.sum()), int(trials.sum())
    if np.all(hits * trials[0] == hits[0] * trials):
        rows = wilson(round(value * len(hits)), len(hits))
        return Share(value, min(rows.low, value), max(rows.high, value), total)
    draws = np.random.default_rng(seed).integers(len(hits), size=(RESAMPLES, len(hits)))
    shares = hits[draws].sum(axis=1) / trials[draws].sum(axis=1)
    low, high = np.quantile(shares, [0.025, 0.975])
    return Share(value, min(value, float(low)), max(value, float(high)), total)
