"""Decide which articles are for training and which for validation, by a digest of each page id.

Where only some articles are taken (`split.take`), find those with the smallest digests. Where there are several wikis,
the digests are of the wiki and the page id, so that neither the order nor the number of wikis has a say.
"""

import hashlib
import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.articles.wiki import ONLY, Wiki
from pipeline.settings import SplitSettings
from wikilm.shards import SPLITS

TRAIN, VALIDATION = SPLITS
SPAN = 2**64
NO_SPLIT = -1  # stands among indices into `SPLITS` for an article that is not taken
NO_SHARE = -2  # and for one that is not in its wiki's share


def digest(seed: int, page_id: int, wiki: Wiki = ONLY) -> int:
    """Return the first 64 bits of sha256("seed:page_id"), or of "seed:wiki:page_id" where there are several wikis.

    Uniform, and the same on every machine.
    """
    return _number(_prefix(seed, wiki), page_id)


def split_of(settings: SplitSettings, page_id: int, wiki: Wiki = ONLY) -> str:
    """Return the split of an article, which depends on nothing but the seed, the fraction, its wiki and its page id."""
    return _split(settings, digest(settings.seed, page_id, wiki))


def in_share(settings: SplitSettings, page_id: int, wiki: Wiki) -> bool:
    """Return whether an article is in its wiki's share: a larger share has all articles of a smaller one.

    By a digest of its own, "share:seed:…", so that the splits of a share are as large as those of the whole.
    """
    return _number(b"share:" + _prefix(settings.seed, wiki), page_id) < wiki.share * SPAN


def splits_of(settings: SplitSettings, page_ids: Iterable[int], wiki: Wiki = ONLY) -> NDArray[np.int8]:
    """Return `split_of` each article, as an index into `SPLITS`, or `NO_SHARE`: int8 [page ids]."""
    prefix, page_ids = _prefix(settings.seed, wiki), list(page_ids)
    found = _below(settings.validation_fraction, prefix, page_ids).astype(np.int8)  # train is 0
    if wiki.share < 1:
        found[~_below(wiki.share, b"share:" + prefix, page_ids)] = NO_SHARE
    return found


def _below(fraction: float, prefix: bytes, page_ids: Iterable[int]) -> NDArray[np.bool_]:
    """Return whether the digest of each article is among this fraction of all digests, which is below 1."""
    numbers = b"".join(hashlib.sha256(b"%b%d" % (prefix, page_id)).digest()[:8] for page_id in page_ids)
    # As whole numbers, since those of 64 bits and their fractions are not told apart exactly.
    return np.frombuffer(numbers, ">u8") < np.uint64(math.ceil(fraction * SPAN))


def _split(settings: SplitSettings, number: int) -> str:
    return VALIDATION if number < settings.validation_fraction * SPAN else TRAIN


def _number(prefix: bytes, page_id: int) -> int:
    return int.from_bytes(hashlib.sha256(b"%b%d" % (prefix, page_id)).digest()[:8], "big")


def _prefix(seed: int, wiki: Wiki) -> bytes:
    return b"%d:%b:" % (seed, wiki.name.encode()) if wiki.name else b"%d:" % seed


Ranked = tuple[int, int, int]  # digest, number of the wiki, page id


@dataclass(frozen=True)
class Smallest:
    """The articles with the smallest digests seen so far, at most `take` of each split, sorted."""

    train: tuple[Ranked, ...] = ()
    validation: tuple[Ranked, ...] = ()


def smallest(settings: SplitSettings, page_ids: Iterable[int], wiki: Wiki = ONLY) -> Smallest:
    """Choose the articles of a wiki that `split.take` might take. Memory is bounded by `take`, not by the input."""
    assert settings.take is not None
    found: dict[str, list[Ranked]] = {TRAIN: [], VALIDATION: []}
    # Thinned out now and then: what counts is never more than `take`, however many page ids there are.
    limits = dict(zip(SPLITS, settings.take, strict=True))
    for page_id in page_ids:
        if wiki.share < 1 and not in_share(settings, page_id, wiki):
            continue
        number = digest(settings.seed, page_id, wiki)
        split = _split(settings, number)
        found[split].append((number, wiki.number, page_id))
        if len(found[split]) > 2 * limits[split] + 1000:
            found[split][:] = _least(limits[split], found[split])
    return Smallest(*(_least(limits[split], found[split]) for split in SPLITS))


def merge(settings: SplitSettings, parts: Iterable[Smallest]) -> Smallest:
    """Choose, of several parts of a source, the articles that `split.take` takes. Associative, in any order."""
    assert settings.take is not None
    found = list(parts)
    return Smallest(
        _least(settings.take[0], [one for part in found for one in part.train]),
        _least(settings.take[1], [one for part in found for one in part.validation]),
    )


@dataclass(frozen=True)
class Selection:
    """Which articles are taken, and into which split.

    `taken` is None where all are, else the page ids of those that are, by the number of their wiki.
    """

    settings: SplitSettings
    taken: Mapping[int, frozenset[int]] | None = None

    def splits_of(self, page_ids: Sequence[int], wiki: Wiki = ONLY) -> NDArray[np.int8]:
        """Return `split_of` each article, as an index into `SPLITS`, `NO_SHARE` or `NO_SPLIT`: int8 [page ids]."""
        found = splits_of(self.settings, page_ids, wiki)
        if self.taken is not None:
            taken = self.taken.get(wiki.number, frozenset())
            others = np.fromiter((page_id not in taken for page_id in page_ids), bool, len(page_ids))
            found[others & (found != NO_SHARE)] = NO_SPLIT
        return found


def selection(settings: SplitSettings, found: Smallest) -> Selection:
    """Select the articles that were found to have the smallest digests."""
    taken: dict[int, set[int]] = {}
    for _, wiki, page_id in found.train + found.validation:
        taken.setdefault(wiki, set()).add(page_id)
    return Selection(settings, {wiki: frozenset(page_ids) for wiki, page_ids in taken.items()})


def _least(count: int, ranked: Iterable[Ranked]) -> tuple[Ranked, ...]:
    return tuple(heapq.nsmallest(count, set(ranked)))  # a set: a page id that comes twice is one article
