"""Match articles whose texts are alike, by one key at a time: the digest of the text, or one of its bands.

Articles with the same value of a key are a bucket, and those of a bucket are compared: by their whole digests, or by
the estimate of their similarity. In a bucket of more than MANY, where all pairs would be too many, an article is
compared only with the first MANY that are like none of these before them: time and memory grow with the number of
articles, whatever the texts are.

The digest comes first: of equal texts only the first is looked at by bands, so that the others cost nothing there.
Bands do not depend on each other, nor do parts of the hashes of a key, so that workers can take one of each. A worker
reads that column of all prints from their files. To have Beam group them instead, each article would go through its
shuffle once for each band, which takes longer than all else, and on one machine more memory than there is.

WORK/matches/00003-00000.arrow   the pairs that key 3 has found in part 0 of its hashes
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.duplicates.prints import DIGEST_BYTES, band_name, bytes_of, read_prints
from pipeline.settings import ShardsSettings
from pipeline.storage import Place

AT_ONCE = 2_000_000  # articles that a worker looks at in one go, some 300 MB where all are compared
MANY = 32  # articles of a bucket that are all compared with each other
PAIRS_AT_ONCE = 500_000  # some 130 MB where they are compared
MATCH_COLUMNS = pa.schema([("later", pa.int64()), ("earlier", pa.int64())])  # numbers of articles
Numbers = NDArray[np.int64]
Pairs = tuple[Numbers, Numbers]  # later and earlier articles
Task = tuple[int, int]  # a key, and a part of its hashes
DIGEST = 0  # the key that is the digest; those after it are bands


@dataclass(frozen=True)
class Comparison:
    """What a worker must know to compare articles.

    Attributes:
        work: where the prints are.
        articles: how many there are in each unit. They are numbered through all units, in the order of the source.
        shards: how they are compared.
    """

    work: Place
    articles: Sequence[int]
    shards: ShardsSettings

    @property
    def starts(self) -> Numbers:
        """The number of the first article of each unit, and at the end that of all: int64 [units + 1]."""
        return np.cumsum([0, *self.articles])

    @property
    def parts(self) -> int:
        """Parts into which the hashes of a key are dealt, so that memory is bounded."""
        return max(1, -(-sum(self.articles) // AT_ONCE))

    @property
    def digest_tasks(self) -> list[Task]:
        """What workers do first, one at a time."""
        return [(DIGEST, part) for part in range(self.parts)]

    @property
    def band_tasks(self) -> list[Task]:
        """What workers do then."""
        bands = self.shards.near_bands if self.shards.deduplicate == "near" else 0
        return [(DIGEST + 1 + band, part) for band in range(bands) for part in range(self.parts)]

    def column(self, name: str, numbers: Numbers) -> pa.ChunkedArray:
        """Return a column of the prints of some articles, in any order; of each unit it is read once."""
        order = np.argsort(numbers, kind="stable")
        starts, inverse = self.starts, np.empty(len(order), np.int64)
        inverse[order] = np.arange(len(order))
        bounds = np.searchsorted(numbers[order], starts)
        chunks = [
            chunk
            for unit in np.flatnonzero(np.diff(bounds)).tolist()
            for chunk in read_prints(self.work, unit, name)[name]
            .take(pa.array(numbers[order[bounds[unit] : bounds[unit + 1]]] - starts[unit]))
            .chunks
        ]
        return pa.chunked_array(chunks, chunks[0].type).take(pa.array(inverse)) if chunks else pa.chunked_array([[]])


def find_matches(task: Task, comparison: Comparison) -> int:
    """Write the pairs of articles that a task finds; done twice, they are the same. Returns how many.

    Tasks of bands come after all of the digest.
    """
    key, _ = task
    count = 0
    column, needed = ("digest", DIGEST_BYTES) if key == DIGEST else ("values", needed_of(comparison.shards))
    name = _matches_name(task)
    with comparison.work.create(name) as file, pa.ipc.new_stream(file, MATCH_COLUMNS) as matches:
        numbers, buckets = _buckets(task, comparison)
        values = bytes_of(comparison.column(column, numbers)) if len(numbers) else _NO_VALUES
        for later, earlier in _gathered(alike(buckets, values, needed)):
            matches.write_table(pa.table([numbers[later], numbers[earlier]], schema=MATCH_COLUMNS))
            count += len(later)
    return count


def read_matches(comparison: Comparison) -> Iterator[Pairs]:
    """Yield the pairs that all tasks have found, some at a time."""
    return _matches(comparison.work, [*comparison.digest_tasks, *comparison.band_tasks])


def needed_of(shards: ShardsSettings) -> int:
    """Return the number of equal values that makes two articles near duplicates."""
    return math.ceil(shards.near_threshold * shards.near_permutations - 1e-9)


def alike(buckets: Numbers, values: NDArray[np.uint8], needed: int) -> Iterator[Pairs]:
    """Yield the pairs that have enough equal values, as their places in the arrays.

    Args:
        buckets: int64 [articles], sorted.
        values: uint8 [articles, values].
        needed: equal values that make two alike.
    """
    _, first, sizes = np.unique(buckets, return_index=True, return_counts=True)
    places, of_article = np.arange(len(buckets)) - np.repeat(first, sizes), np.repeat(sizes, sizes)
    following = np.where(of_article <= MANY, of_article - places, 0)  # in a small bucket, with oneself
    for distance in range(1, min(MANY, int(following.max(initial=0)))):
        earlier = np.flatnonzero(following > distance)
        for start in range(0, len(earlier), PAIRS_AT_ONCE):
            some = earlier[start : start + PAIRS_AT_ONCE]
            yield _enough(some + distance, some, values, needed)
    for start, size in zip(first[sizes > MANY].tolist(), sizes[sizes > MANY].tolist(), strict=True):
        yield from _alike_in_large(start, size, values, needed)


def _alike_in_large(start: int, size: int, values: NDArray[np.uint8], needed: int) -> Iterator[Pairs]:
    """Yield the pairs of a large bucket whose earlier one is among the first MANY that are like none before them."""
    alone = np.ones(size, bool)
    place = 0
    for _ in range(MANY):
        for begin in range(place + 1, size, PAIRS_AT_ONCE):
            some = start + np.arange(begin, min(begin + PAIRS_AT_ONCE, size))
            later, earlier = _enough(some, np.full(len(some), start + place), values, needed)
            alone[later - start] = False
            yield later, earlier
        rest = np.flatnonzero(alone[place + 1 :])
        if not len(rest):
            return
        place += 1 + int(rest[0])


def _enough(later: Numbers, earlier: Numbers, values: NDArray[np.uint8], needed: int) -> Pairs:
    enough = np.count_nonzero(values[later] == values[earlier], axis=1) >= needed
    return later[enough], earlier[enough]


def _gathered(pairs: Iterable[Pairs]) -> Iterator[Pairs]:
    """Yield the same pairs, PAIRS_AT_ONCE or more at a time."""
    some: list[Pairs] = []
    count = 0
    for later, earlier in pairs:
        some.append((later, earlier))
        count += len(later)
        if count >= PAIRS_AT_ONCE:
            yield np.concatenate([pair[0] for pair in some]), np.concatenate([pair[1] for pair in some])
            some, count = [], 0
    if count:
        yield np.concatenate([pair[0] for pair in some]), np.concatenate([pair[1] for pair in some])


def _buckets(task: Task, comparison: Comparison) -> Pairs:
    """Return the articles that share a bucket with others, by bucket and number, and the bucket of each."""
    key, part = task
    hashes, numbers = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    looked_at = _looked_at(key, comparison)
    for unit, (first, end) in enumerate(pairwise(comparison.starts.tolist())):
        hashed = _hashes(comparison.work, unit, key)
        here = np.flatnonzero(looked_at[first:end] & (hashed % np.uint64(comparison.parts) == part))
        hashes.append(hashed[here])
        numbers.append(first + here)
    hashed, numbered = np.concatenate(hashes), np.concatenate(numbers)
    order = np.argsort(hashed, kind="stable")
    same = hashed[order][1:] == hashed[order][:-1]
    shared = np.append(same, False) | np.append(False, same) if len(order) else np.empty(0, bool)
    begins = np.append(True, ~same)[: len(order)]
    return numbered[order][shared], np.cumsum(begins)[shared]


def _looked_at(key: int, comparison: Comparison) -> NDArray[np.bool_]:
    """Return of each article whether it is looked at by a key: bool [articles]; by bands only the first of equals."""
    looked_at = np.ones(sum(comparison.articles), bool)
    if key != DIGEST:
        for later, _ in _matches(comparison.work, comparison.digest_tasks):
            looked_at[later] = False
    return looked_at


def _matches(work: Place, tasks: Iterable[Task]) -> Iterator[Pairs]:
    return _gathered(
        (batch["later"].to_numpy(), batch["earlier"].to_numpy())
        for task in tasks
        for batch in pa.ipc.open_stream(work.read(_matches_name(task)))
    )


def _hashes(work: Place, unit: int, key: int) -> NDArray[np.uint64]:
    """Return the hashes of a unit's articles, of which equal ones make a bucket: uint64 [articles]."""
    if key != DIGEST:
        name = band_name(key - DIGEST - 1)
        hashes: NDArray[np.uint64] = read_prints(work, unit, name)[name].to_numpy()
        return hashes
    return bytes_of(read_prints(work, unit, "digest")["digest"])[:, :8].copy().view(np.uint64)[:, 0]


_NO_VALUES = np.empty((0, 1), np.uint8)


def _matches_name(task: Task) -> str:
    return f"matches/{task[0]:05d}-{task[1]:05d}.arrow"
