"""Choose the rows of each training step and make batches of them, as a pure function of (seed, epoch, step).

No sampler has a state that could be lost: all steps read one endless stream of rows, in which every epoch holds each
row once, shuffled by (seed, epoch). Step s takes batch_size rows from place (s - 1) x batch_size on. A batch may span
two epochs, so all batches are full.
"""

import math
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Array: TypeAlias = npt.NDArray[Any]

MASK_SHARE, RANDOM_SHARE = 0.8, 0.1  # of the positions to predict; the rest is left as it is (Devlin et al. 2019)
IGNORED = -100  # a target that counts for nothing, as in torch's cross entropy
ALIGNED = 64  # a number of targets that matrix products like
VALIDATION_EPOCH = 2**32 - 1  # of the fixed masks in validation: beyond any epoch of training


@dataclass(frozen=True)
class TrainingBatch:
    """What a model sees, and what it has to predict."""

    input_ids: Ints  # [rows, chunk_tokens]
    positions: Ints  # [targets] flat positions in input_ids whose hidden state has to predict
    targets: Ints  # [targets] the token ids to predict there; `IGNORED` where they only fill a shape


def filled_up(batch: TrainingBatch, rows: int, targets: int) -> TrainingBatch:
    """Make up a batch to so many rows and targets, for a compiled model, which is compiled anew for each shape.

    The rows are of token 0 and nothing is predicted in them; the targets are `IGNORED`, at the first position.
    """
    more_rows, more = rows - len(batch.input_ids), targets - len(batch.targets)
    return TrainingBatch(
        np.pad(batch.input_ids, ((0, more_rows), (0, 0))),
        np.pad(batch.positions, (0, more)),
        np.pad(batch.targets, (0, more), constant_values=IGNORED),
    )


@dataclass
class Order:
    """Which rows each step trains on; steps count from 1."""

    rows: int
    batch_size: int
    seed: int
    _shuffle: tuple[int, Ints] | None = field(default=None, repr=False)

    def step_count(self, epochs: int) -> int:
        """Steps after which every row has been seen `epochs` times (the last batch runs into the next epoch)."""
        return -(-epochs * self.rows // self.batch_size)

    def rows_of_step(self, step: int) -> tuple[Ints, Ints]:
        """(epochs, indices), int64 [batch_size] each, of the rows of a step; steps and epochs count from 1 and 0."""
        stream = np.arange((step - 1) * self.batch_size, step * self.batch_size, dtype=np.int64)
        epochs, places = np.divmod(stream, self.rows)
        indices = np.empty_like(places)
        for epoch in np.unique(epochs):
            inside = epochs == epoch
            indices[inside] = self._shuffled(int(epoch))[places[inside]]
        return epochs, indices

    def _shuffled(self, epoch: int) -> Ints:
        """Return the rows as epoch `epoch` orders them; the last order is kept, since thousands of steps ask for it."""
        if self._shuffle is None or self._shuffle[0] != epoch:
            self._shuffle = epoch, np.random.default_rng([self.seed, epoch]).permutation(self.rows)
        return self._shuffle[1]


def share(values: Array, process: int, processes: int, parts: int) -> list[Array]:
    """One process's share of a batch: `parts` pieces, all pieces of all processes equal to within one row."""
    return np.array_split(values, processes * parts)[process * parts : (process + 1) * parts]


def causal_batch(rows: Ints) -> TrainingBatch:
    """Make a batch in which every token but a row's first is predicted from those before it."""
    positions = np.arange(rows.size, dtype=np.int64).reshape(rows.shape)[:, :-1]
    return TrainingBatch(rows, positions.reshape(-1), rows[:, 1:].reshape(-1))


@dataclass(frozen=True)
class Masking:
    """How positions are chosen and masked: of those chosen, 80 % become a mask, 10 % any token, 10 % stay."""

    fraction: float
    seed: int
    vocab_size: int
    mask_id: int
    end_of_text_id: int
    predict_all: bool = False  # not the chosen positions alone

    def batch(self, rows: Ints, epochs: Ints, indices: Ints) -> TrainingBatch:
        """Mask rows [n, chunk_tokens] by choices that depend on (seed, epoch, index of the row, position) alone.

        So they are the same however rows are shared out among processes. End-of-text is never chosen.
        """
        chosen = (self._uniform(0, rows, epochs, indices) < self.fraction) & (rows != self.end_of_text_id)
        fate = self._uniform(1, rows, epochs, indices)
        any_token = (self._uniform(2, rows, epochs, indices) * self.vocab_size).astype(np.int64)
        input_ids = np.where(chosen & (fate < MASK_SHARE), self.mask_id, rows)
        replaced = chosen & (fate >= MASK_SHARE) & (fate < MASK_SHARE + RANDOM_SHARE)
        input_ids = np.where(replaced, any_token, input_ids)
        predicted = rows != self.end_of_text_id if self.predict_all else chosen
        return TrainingBatch(input_ids, np.flatnonzero(predicted), rows[predicted])

    def capacity(self, tokens: int, chosen: int) -> int:
        """Return how many targets a batch of so many tokens is filled up to where `chosen` are to be predicted.

        That is one number for nearly all batches, six standard deviations above their mean, and all tokens for the few
        above that: two shapes in all.
        """
        if self.predict_all:
            return tokens
        deviation = math.sqrt(tokens * self.fraction * (1 - self.fraction))
        usual = -(-int(tokens * self.fraction + 6 * deviation) // ALIGNED) * ALIGNED
        return min(tokens, usual) if chosen <= usual else tokens

    def _uniform(self, draw: int, rows: Ints, epochs: Ints, indices: Ints) -> npt.NDArray[np.float64]:
        """Numbers in [0, 1), one per token, hashed from its epoch, row and position."""
        key = mix(mix(mix(np.uint64(self.seed), np.uint64(draw)), epochs), indices)
        bits = mix(key[:, None], np.arange(rows.shape[1]))
        return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def mix(key: Array | np.uint64 | int, value: Array | np.uint64 | int) -> Array:
    """Hash `value` into `key`: 64 bits by SplitMix64's finaliser (Steele, Lea & Flood 2014)."""
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64 is what is wanted
        z = np.asarray(key, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ np.asarray(value).astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)))
