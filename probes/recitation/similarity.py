"""Compare two runs of tokens that may have slipped against each other: edit distance, and the longest run in common."""

import numpy as np
from numpy.typing import NDArray

from probes.measuring import TokenIds


def edit_distances(truth: TokenIds, added: TokenIds) -> NDArray[np.int64]:
    """Return how many tokens must be inserted, deleted or replaced to make one into the other (Levenshtein 1966).

    Args:
        truth: int64 [rows, tokens].
        added: int64 [rows, tokens], row by row compared with `truth`.

    Returns:
        int64 [rows]. All rows go through the table at once, since there are far more of them than tokens.
    """
    rows, tokens = truth.shape
    before = np.broadcast_to(np.arange(added.shape[1] + 1), (rows, added.shape[1] + 1)).copy()
    for i in range(tokens):
        now = np.empty_like(before)
        now[:, 0] = i + 1
        replaced = before[:, :-1] + (truth[:, i, None] != added)
        np.minimum(replaced, before[:, 1:] + 1, out=replaced)
        for j in range(added.shape[1]):
            now[:, j + 1] = np.minimum(replaced[:, j], now[:, j] + 1)
        before = now
    return before[:, -1].astype(np.int64)


def longest_runs(truth: TokenIds, added: TokenIds) -> NDArray[np.int64]:
    """Return the length of the longest run of tokens that stands in both, wherever in each: int64 [rows].

    Args:
        truth: int64 [rows, tokens].
        added: int64 [rows, tokens], row by row compared with `truth`.
    """
    ending = np.zeros((len(truth), added.shape[1] + 1), np.int64)  # of the runs that end at a token of each
    longest = np.zeros(len(truth), np.int64)
    for i in range(truth.shape[1]):
        ending[:, 1:] = np.where(truth[:, i, None] == added, ending[:, :-1] + 1, 0)
        longest = np.maximum(longest, ending.max(axis=1))
    return longest
