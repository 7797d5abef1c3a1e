"""Count how often runs of tokens stand in the training rows, exactly, in one pass and bounded memory."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from probes.measuring import TokenIds
from wikilm.shards import ShardFolder

_ROWS_AT_A_TIME = 4096
_BASE = np.uint64(
    0x9E3779B97F4A7C15
)  # odd, so that powers of it lose no bit of an id; 2^64 divided by the golden ratio


def count_occurrences(shards: ShardFolder, wanted: TokenIds) -> NDArray[np.int64]:
    """Return how often each run of tokens stands within a row of the split train: int64 [runs].

    Args:
        shards: whose training rows are read, all of them.
        wanted: int64 [runs, tokens].

    Hashes find the places that may hold a run, and its tokens are compared there, so that the counts are exact. What
    stands across the end of a row is not counted: no model is given it in one piece.

    Raises:
        RunError: a shard cannot be read.
    """
    tokens, rows = wanted.shape[1], shards.rows("train")
    runs, which = np.unique(wanted, axis=0, return_inverse=True)
    hashes = _hash(runs)
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    counts = np.zeros(len(runs), np.int64)
    for first in range(0, len(rows), _ROWS_AT_A_TIME):
        taken = rows.take(np.arange(first, min(first + _ROWS_AT_A_TIME, len(rows))))
        windows = sliding_window_view(taken, tokens, axis=1).reshape(-1, tokens)
        found = _hash(windows)
        left = np.searchsorted(ordered, found, side="left")
        right = np.searchsorted(ordered, found, side="right")
        places = np.flatnonzero(right > left)
        for more in range(int((right - left).max(initial=0))):  # than one where hashes are alike by chance
            places = places[left[places] + more < right[places]]
            run = order[left[places] + more]
            same = (runs[run] == windows[places]).all(axis=1)
            np.add.at(counts, run[same], 1)
    return counts[which.reshape(-1)]


def _hash(runs: TokenIds) -> NDArray[np.uint64]:
    """Return a hash of each run of tokens, int64 [runs, tokens], by Rabin's polynomial modulo 2^64."""
    hashes = np.zeros(len(runs), np.uint64)
    for column in range(runs.shape[1]):
        hashes = hashes * _BASE + runs[:, column].astype(np.uint64) + np.uint64(1)
    return hashes
