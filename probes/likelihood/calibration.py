"""Measure whether a model is right as often as it is sure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.measuring import Share, wilson
from probes.output import table
from probes.records import Fraction

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Tokens of which the model was about equally sure."""

    lowest: Fraction  # probability of its first guess
    highest: Fraction
    confidence: Fraction  # their mean
    right: Share  # of the tokens, those that were its first guess; Wilson's interval


@dataclass(frozen=True)
class Calibration:
    """How far what a model says of its first guesses is from what comes of them.

    Bins of equal mass: each has as many tokens as any other, give or take one (Nguyen and O'Connor 2015,
    arXiv:1508.05154), since most guesses of a language model are unsure and few bins of equal width would hold any.
    """

    expected_error: Fraction  # ECE: the mean over tokens of |right - confidence| of their bin (Naeini et al. 2015)
    bins: tuple[Bin, ...]


def calibrate(confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int = BINS) -> Calibration:
    """Sort first guesses by their probability into bins of equal mass.

    Args:
        confidence: probability of the first guess at each token, [tokens]; at least one.
        right: whether it was the token.
        bins: at most; fewer where there are fewer tokens.
    """
    order = np.argsort(confidence, kind="stable")
    found, error = [], 0.0
    for part in np.array_split(order, min(bins, len(order))):
        sure, share = confidence[part], wilson(int(right[part].sum()), len(part))
        mean = min(max(float(sure.mean()), float(sure[0])), float(sure[-1]))
        error += abs(share.value - mean) * len(part) / len(order)
        found.append(Bin(float(sure[0]), float(sure[-1]), mean, share))
    return Calibration(error, tuple(found))


def as_csv(calibration: Calibration) -> str:
    """Return the bins as CSV, to plot how often a model is right by how sure it is."""
    lines = ["confidence,right,right_low,right_high,tokens"]
    for one in calibration.bins:
        shares = (one.confidence, one.right.value, one.right.low, one.right.high)
        lines.append(",".join([*(f"{share:.6g}" for share in shares), str(one.right.trials)]))
    return "\n".join(lines) + "\n"


def describe(calibration: Calibration) -> str:
    """Lay out the bins for people."""
    rows = [["first guess was sure of", "on average", "and right in"]]
    for one in calibration.bins:
        between = f"{100 * one.lowest:.1f} to {100 * one.highest:.1f} %"
        rows.append([between, f"{100 * one.confidence:.1f} %", str(one.right)])
    head = f"expected calibration error {100 * calibration.expected_error:.1f} %, bins of equally many tokens:"
    return f"{head}\n{table(rows)}"
