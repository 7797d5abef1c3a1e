"""A page id in, its side out: train, validation, or neither where only a number of articles is taken."""

import hashlib
import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.settings import SplitSettings
from wikilm.shards.format import SPLITS

TRAIN, VALIDATION = SPLITS
SPAN = 2**64
NOT_TAKEN = -1  # among indices into `SPLITS`


def digest(seed: int, page_id: int) -> int:
    """The first 64 bits of sha256("seed:page_id"): uniform, and the same on every machine and in every year."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{page_id}".encode()).digest()[:8], "big")


def side(split: SplitSettings, page_id: int) -> str:
    """The side an article is on, which depends on nothing but the seed, the fraction and its own page id."""
    return VALIDATION if digest(split.seed, page_id) < split.validation_fraction * SPAN else TRAIN


def sides(split: SplitSettings, page_ids: Iterable[int]) -> NDArray[np.int8]:
    """`side` of each, as an index into `SPLITS`."""
    numbers = b"".join(hashlib.sha256(b"%d:%d" % (split.seed, page_id)).digest()[:8] for page_id in page_ids)
    # As whole numbers, since those of 64 bits and their fractions are not told apart exactly.
    limit = np.uint64(math.ceil(split.validation_fraction * SPAN))
    return (np.frombuffer(numbers, ">u8") < limit).astype(np.int8)  # train is 0


@dataclass(frozen=True)
class Smallest:
    """The articles with the smallest digests seen so far, at most `take` of each side: sorted (digest, page id)."""

    train: tuple[tuple[int, int], ...] = ()
    validation: tuple[tuple[int, int], ...] = ()


def smallest(split: SplitSettings, page_ids: Iterable[int]) -> Smallest:
    """Of these articles, the ones that `split.take` might take. Memory is bounded by `take`, not by the input."""
    assert split.take is not None
    sides: dict[str, list[tuple[int, int]]] = {TRAIN: [], VALIDATION: []}
    # Thinned out now and then: what counts is never more than `take`, however many page ids there are.
    limits = dict(zip(SPLITS, split.take, strict=True))
    for page_id in page_ids:
        of_side = sides[side(split, page_id)]
        of_side.append((digest(split.seed, page_id), page_id))
        limit = limits[side(split, page_id)]
        if len(of_side) > 2 * limit + 1000:
            of_side[:] = _least(limit, of_side)
    return Smallest(*(_least(limits[name], sides[name]) for name in SPLITS))


def merge(split: SplitSettings, parts: Iterable[Smallest]) -> Smallest:
    """Of several parts of a source, the ones that `split.take` takes: associative, in any order."""
    assert split.take is not None
    found = list(parts)
    return Smallest(
        _least(split.take[0], [pair for part in found for pair in part.train]),
        _least(split.take[1], [pair for part in found for pair in part.validation]),
    )


@dataclass(frozen=True)
class Selection:
    """Which articles go where. `taken` is None where all are taken, else the page ids of those that are."""

    split: SplitSettings
    taken: frozenset[int] | None = None

    def side(self, page_id: int) -> str | None:
        """train, validation, or None: not taken."""
        if self.taken is not None and page_id not in self.taken:
            return None
        return side(self.split, page_id)

    def sides(self, page_ids: Sequence[int]) -> NDArray[np.int8]:
        """`side` of each, as an index into `SPLITS`, or `NOT_TAKEN`."""
        found = sides(self.split, page_ids)
        if self.taken is not None:
            found[[page_id not in self.taken for page_id in page_ids]] = NOT_TAKEN
        return found


def selection(split: SplitSettings, found: Smallest) -> Selection:
    """The selection that takes what was found."""
    return Selection(split, frozenset(page_id for _, page_id in found.train + found.validation))


def _least(count: int, pairs: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    return tuple(heapq.nsmallest(count, set(pairs)))  # a set: a page id that comes twice is one article
