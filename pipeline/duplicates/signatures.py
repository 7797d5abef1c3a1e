"""Sign texts by MinHash: the share of equal values of two texts estimates the Jaccard similarity of their n-grams.

The n-grams are of characters, since many scripts write no spaces between words. The code is our own: for each text,
the libraries take a list of n-grams, one Python object each, which is slower than all other steps together.
"""

from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.articles import Texts, utf8_of
from pipeline.settings import ShardsSettings
from wikilm.errors import RunError, reason

_BASE, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # as in minhash.py


def signatures(texts: Texts, ngram: int, permutations: int) -> NDArray[np.uint32]:
    """Sign texts, by compiled code where there is a compiler: uint32 [texts, permutations].

    Raises:
        RunError: there is a compiler, and it fails.
    """
    compiled = _compiled()
    if compiled is None:
        signed = [sign(text, ngram, permutations) for text in texts.to_pylist()]
        return np.stack([np.empty(permutations, np.uint32), *signed])[1:]
    values = np.empty((len(texts), permutations), np.uint32)
    compiled(*utf8_of(texts), ngram, values)
    return values


def prepare(shards: ShardsSettings) -> str | None:
    """Compile what signs texts, if need be, before workers start, so that they find it done.

    Returns:
        What a user should know where there is no compiler.
    """
    if shards.deduplicate != "near":
        return None
    signatures(pa.array(["a"]), shards.near_ngram, shards.near_permutations)
    slow = "near duplicates take many times longer: numba is missing, has no folder to write to, or may not compile"
    return None if _compiled() else slow


def sign(text: str, ngram: int, permutations: int) -> NDArray[np.uint32]:
    """Sign one text without a compiler, to the values of `minhash.sign`: uint32 [permutations]."""
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32).astype(np.uint64) + np.uint64(1)
    values = np.zeros(permutations, np.uint32)
    if not len(codes):
        return values
    width = min(ngram, len(codes))
    ngrams = np.zeros(len(codes) - width + 1, np.uint64)
    for first in range(width):
        ngrams = ngrams * np.uint64(_BASE) + codes[first : first + len(ngrams)]
    hashes = mixed(ngrams)
    numbers = ((hashes >> np.uint64(32)) * np.uint64(permutations)) >> np.uint64(32)
    smallest = np.full(permutations, 2**32, np.uint64)
    np.minimum.at(smallest, numbers.astype(np.int64), hashes & np.uint64(0xFFFFFFFF))
    full = smallest < 2**32
    for number in range(permutations):
        found, tries = number, 0
        while not full[found]:
            tries += 1
            drawn = int(mixed(np.array([(number << 32) + tries], np.uint64))[0])
            found = ((drawn >> 32) * permutations) >> 32
        values[number] = smallest[found]
    return values


def mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the last step of splitmix64 (Steele, Lea, Flood, 2014) of each number."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(_FIRST)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(_SECOND)
    return numbers ^ (numbers >> np.uint64(31))


@cache
def _compiled() -> Any:
    """Return the compiled function that signs texts; None where there is no compiler."""
    try:
        import numba

        from pipeline.duplicates import minhash
    except Exception:  # not there, not made for this Python, or without a folder for what it compiles
        return None
    if numba.config.DISABLE_JIT:
        return None
    try:
        minhash.sign(np.frombuffer(b"a", np.uint8), np.array([0, 1]), 1, np.empty((1, 1), np.uint32))
    except MemoryError:
        raise
    except Exception as error:
        way_out = "set NUMBA_DISABLE_JIT=1 to do without it, many times more slowly"
        raise RunError(f"numba cannot compile what signs texts ({reason(error)}); {way_out}") from error
    return minhash.sign
