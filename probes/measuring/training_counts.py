"""Count the tokens of the training rows, alone and beside their neighbours, in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wikilm.errors import RunError
from wikilm.shards import ShardFolder

Ids = NDArray[np.int64]

GUESSES = 10  # the likeliest tokens that are kept of each context
MOST_ROWS = 2**17  # counted at most; 17 million tokens in rows of 128 say which tokens are the likeliest
_ROWS_AT_A_TIME = 2**13
_PAIRS_AT_A_TIME = 2**20  # new kinds of pairs that wait to be merged, at least


@dataclass(frozen=True)
class Likeliest:
    """The likeliest tokens in each context that was seen, most frequent first.

    Of tokens that are equally frequent in a context, the one more frequent anywhere goes first, then the lower id.

    Attributes:
        contexts: int64 [contexts], rising.
        tokens: int64 [contexts, GUESSES], -1 where fewer kinds of tokens were seen.
    """

    contexts: Ids
    tokens: Ids

    def of(self, contexts: Ids) -> Ids:
        """Return the likeliest tokens in these contexts: int64 [n, GUESSES]; rows of -1 for a context never seen."""
        found = np.full((len(contexts), GUESSES), -1, dtype=np.int64)
        if len(self.contexts):
            places = np.minimum(np.searchsorted(self.contexts, contexts), len(self.contexts) - 1)
            seen = self.contexts[places] == contexts
            found[seen] = self.tokens[places[seen]]
        return found


@dataclass(frozen=True)
class TrainingCounts:
    """How often tokens stand in the training rows, and which tokens stand beside which."""

    shards: ShardFolder
    seed: int
    rows: int  # counted: all, or a seeded sample of MOST_ROWS
    tokens: Ids  # int64 [vocabulary]: how often each token was seen
    after: Likeliest  # by the token to the left
    before: Likeliest  # by the token to the right

    @property
    def vocab_size(self) -> int:
        """Entries of the vocabulary."""
        return len(self.tokens)

    @property
    def most_common(self) -> Ids:
        """int64 [GUESSES]: the most frequent tokens, the commonest first; -1 in a smaller vocabulary."""
        order = np.argsort(-self.tokens, kind="stable")[:GUESSES]
        return np.pad(order, (0, GUESSES - len(order)), constant_values=-1)

    def between(self, left: Ids, right: Ids) -> Ids:
        """Return the likeliest tokens between two neighbours: int64 [n, GUESSES], -1 where fewer were seen.

        Reads the training rows again, and keeps counts of these neighbours alone: a table of all pairs would be many
        times larger than the text that is asked about.
        """
        asked = left * self.vocab_size + right
        wanted, pairs = np.unique(asked), _PairCounts()
        for rows in _batches(self.shards, self.seed):
            around = rows[:, :-2] * self.vocab_size + rows[:, 2:]
            places = np.minimum(np.searchsorted(wanted, around), max(0, len(wanted) - 1))
            seen = wanted[places] == around if len(wanted) else np.zeros(around.shape, np.bool_)
            pairs.add(places[seen] * self.vocab_size + rows[:, 1:-1][seen])
        found = pairs.likeliest(self.tokens)
        return Likeliest(wanted[found.contexts], found.tokens).of(asked)


@dataclass
class _PairCounts:
    """Counts of pairs of a context and a token, each pair as the number `context * vocabulary + token`."""

    keys: Ids = field(default_factory=lambda: np.empty(0, np.int64))
    counts: Ids = field(default_factory=lambda: np.empty(0, np.int64))
    waiting: list[tuple[Ids, Ids]] = field(default_factory=list)

    def add(self, keys: Ids) -> None:
        """Count some pairs; merged only once the new ones are as many as the old, so that no pair is moved often."""
        self.waiting.append(np.unique(keys, return_counts=True))
        if sum(len(new) for new, _ in self.waiting) > max(len(self.keys), _PAIRS_AT_A_TIME):
            self.merge()

    def merge(self) -> None:
        """Add what waits to the sorted counts."""
        parts = [(self.keys, self.counts), *self.waiting]
        self.waiting = []
        keys = np.concatenate([keys for keys, _ in parts])
        order = np.argsort(keys, kind="stable")  # which merges runs that are sorted
        keys, counts = keys[order], np.concatenate([counts for _, counts in parts])[order]
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        self.keys, self.counts = keys[first], np.add.reduceat(counts, first) if len(first) else counts

    def likeliest(self, tokens: Ids) -> Likeliest:
        """Rank the tokens of each context; `tokens` is how often each token was seen anywhere."""
        self.merge()
        contexts, ids = np.divmod(self.keys, len(tokens))
        return _rank(contexts, ids, self.counts, tokens)

    def likeliest_before(self, tokens: Ids) -> Likeliest:
        """Rank the tokens as contexts: those that stand before each token."""
        self.merge()
        ids, contexts = np.divmod(self.keys, len(tokens))
        order = np.argsort(contexts, kind="stable")
        return _rank(contexts[order], ids[order], self.counts[order], tokens)


def _rank(contexts: Ids, ids: Ids, counts: Ids, tokens: Ids) -> Likeliest:
    """Take the likeliest tokens of each context, one after the other; `contexts` rise."""
    # One number orders what `Likeliest` says: counts first, then places in the order of the whole text.
    place = np.empty_like(tokens)
    place[np.argsort(-tokens, kind="stable")] = np.arange(len(tokens))[::-1]
    score, token_at = counts * len(tokens) + place[ids], np.argsort(place)
    first = np.flatnonzero(np.diff(contexts, prepend=-1))
    table = np.full((len(first), GUESSES), -1, dtype=np.int64)
    sizes = np.diff(first, append=len(contexts))
    for rank in range(GUESSES if len(first) else 0):
        best = np.maximum.reduceat(score, first)
        table[:, rank] = np.where(best < 0, -1, token_at[best % len(tokens)])
        score[score == np.repeat(best, sizes)] = -1
    return Likeliest(contexts[first], table)


def count_training(shards: ShardFolder, seed: int = 0) -> TrainingCounts:
    """Count the tokens and the pairs of neighbours of the training rows, of at most MOST_ROWS drawn by the seed.

    Memory grows with the kinds of pairs, not with the rows: 16 bytes each, twice that while they are merged.

    Raises:
        RunError: the training split has no rows, or a shard cannot be read.
    """
    vocabulary = shards.manifest.tokenizer.vocab_size
    tokens, pairs = np.zeros(vocabulary, np.int64), _PairCounts()
    counted = 0
    for rows in _batches(shards, seed):
        counted += len(rows)
        tokens += np.bincount(rows.ravel(), minlength=vocabulary)
        pairs.add((rows[:, :-1] * vocabulary + rows[:, 1:]).ravel())
    return TrainingCounts(shards, seed, counted, tokens, pairs.likeliest(tokens), pairs.likeliest_before(tokens))


def _batches(shards: ShardFolder, seed: int) -> Iterator[Ids]:
    """Yield the training rows that are counted, the same ones every time."""
    rows = shards.rows("train")
    if len(rows) == 0:
        raise RunError(f"{shards.path}: the train split has no rows: make shards from more articles, or change split.*")
    chosen = np.arange(len(rows))
    if len(rows) > MOST_ROWS:
        chosen = np.sort(np.random.default_rng([seed, 2]).choice(len(rows), MOST_ROWS, replace=False))
    for first in range(0, len(chosen), _ROWS_AT_A_TIME):
        yield rows.take(chosen[first : first + _ROWS_AT_A_TIME])
