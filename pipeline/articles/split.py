"""Decide which articles are for training and which for validation, by a digest of each page id.

Where only some articles are taken (`split.take`), find those with the smallest digests.
"""

import hashlib
import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.settings import SplitSettings
from wikilm.shards import SPLITS

TRAIN, VALIDATION = SPLITS
SPAN = 2**64
NO_SPLIT = -1  # stands among indices into `SPLITS` for an article that is not taken


def digest(seed: int, page_id: int) -> int:
    """Return the first 64 bits of sha256("seed:page_id"): uniform, and the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{page_id}".encode()).digest()[:8], "big")


def split_of(settings: SplitSettings, page_id: int) -> str:
    """Return the split of an article, which depends on nothing but the seed, the fraction and its page id."""
    return VALIDATION if digest(settings.seed, page_id) < settings.validation_fraction * SPAN else TRAIN


def splits_of(settings: SplitSettings, page_ids: Iterable[int]) -> NDArray[np.int8]:
    """Return `split_of` each article, as an index into `SPLITS`: int8 [page ids]."""
    numbers = b"".join(hashlib.sha256(b"%d:%d" % (settings.seed, page_id)).digest()[:8] for page_id in page_ids)
    # As whole numbers, since those of 64 bits and their fractions are not told apart exactly.
    limit = np.uint64(math.ceil(settings.validation_fraction * SPAN))
    return (np.frombuffer(numbers, ">u8") < limit).astype(np.int8)  # train is 0


@dataclass(frozen=True)
class Smallest:
    """The articles with the smallest digests seen so far, at most `take` of each split: sorted (digest, page id)."""

    train: tuple[tuple[int, int], ...] = ()
    validation: tuple[tuple[int, int], ...] = ()


def smallest(settings: SplitSettings, page_ids: Iterable[int]) -> Smallest:
    """Choose the articles that `split.take` might take. Memory is bounded by `take`, not by the input."""
    assert settings.take is not None
    found: dict[str, list[tuple[int, int]]] = {TRAIN: [], VALIDATION: []}
    # Thinned out now and then: what counts is never more than `take`, however many page ids there are.
    limits = dict(zip(SPLITS, settings.take, strict=True))
    for page_id in page_ids:
        split = split_of(settings, page_id)
        found[split].append((digest(settings.seed, page_id), page_id))
        if len(found[split]) > 2 * limits[split] + 1000:
            found[split][:] = _least(limits[split], found[split])
    return Smallest(*(_least(limits[split], found[split]) for split in SPLITS))


def merge(settings: SplitSettings, parts: Iterable[Smallest]) -> Smallest:
    """Choose, of several parts of a source, the articles that `split.take` takes. Associative, in any order."""
    assert settings.take is not None
    found = list(parts)
    return Smallest(
        _least(settings.take[0], [pair for part in found for pair in part.train]),
        _least(settings.take[1], [pair for part in found for pair in part.validation]),
    )


@dataclass(frozen=True)
class Selection:
    """Which articles are taken, and into which split. `taken` is None where all are, else the page ids of those."""

    settings: SplitSettings
    taken: frozenset[int] | None = None

    def split_of(self, page_id: int) -> str | None:
        """Return "train", "validation", or None for an article that is not taken."""
        if self.taken is not None and page_id not in self.taken:
            return None
        return split_of(self.settings, page_id)

    def splits_of(self, page_ids: Sequence[int]) -> NDArray[np.int8]:
        """Return `split_of` each article, as an index into `SPLITS` or `NO_SPLIT`: int8 [page ids]."""
        found = splits_of(self.settings, page_ids)
        if self.taken is not None:
            found[[page_id not in self.taken for page_id in page_ids]] = NO_SPLIT
        return found


def selection(settings: SplitSettings, found: Smallest) -> Selection:
    """Select the articles that were found to have the smallest digests."""
    return Selection(settings, frozenset(page_id for _, page_id in found.train + found.validation))


def _least(count: int, pairs: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    return tuple(heapq.nsmallest(count, set(pairs)))  # a set: a page id that comes twice is one article
