"""Sign texts by MinHash, in compiled code.

Each text is read once, whatever the number of values: one permutation hashing (Li, Owen, Zhang, 2012) deals the hashes
of its n-grams to as many bins as there are values and keeps the smallest of each; a bin that got none takes the value
of another one (optimal densification: Shrivastava, 2017).

`signatures.py` does the same without a compiler, to the same values. All constants are here, since numba keeps
compiled code between runs and notices a change only in the module of the function that it has kept.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

_BASE = np.uint64(0x9E3779B97F4A7C15)  # of the rolling polynomial hash, odd
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)  # of splitmix64's last step
_S30, _S27, _S31, _S32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)
_LOW, _ONE = np.uint64(0xFFFFFFFF), np.uint64(1)

_compiled: Any = njit(cache=True, nogil=True, boundscheck=True)


@_compiled
def sign(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], ngram: int, values: NDArray[np.uint32]
) -> None:  # pragma: no cover - compiled
    """Fill in the values of texts.

    Args:
        data: uint8, valid UTF-8, the texts one after another.
        offsets: int64 [texts + 1], where each begins in `data`, and where the last one ends.
        ngram: characters of an n-gram. A text with fewer is one n-gram.
        values: uint32 [texts, values of each], filled in.
    """
    texts, bins = values.shape
    window = np.zeros(ngram, np.uint64)
    smallest = np.empty(bins, np.uint64)
    leaving = _ONE  # what a character has been multiplied by when it leaves the window
    for _ in range(ngram):
        leaving *= _BASE
    for text in range(texts):
        smallest[:] = _ONE << _S32  # none yet
        rolled = np.uint64(0)
        count, place, at, end = 0, 0, offsets[text], offsets[text + 1]
        while at < end:
            byte = np.uint64(data[at])
            if byte < 0x80:
                code, size = byte, 1
            elif byte < 0xE0:
                code, size = byte & np.uint64(0x1F), 2
            elif byte < 0xF0:
                code, size = byte & np.uint64(0x0F), 3
            else:
                code, size = byte & np.uint64(0x07), 4
            for more in range(1, size):
                code = (code << np.uint64(6)) | (np.uint64(data[at + more]) & np.uint64(0x3F))
            at += size
            code += _ONE
            rolled = rolled * _BASE + code - window[place] * leaving
            window[place] = code
            place += 1
            if place == ngram:
                place = 0
            count += 1
            if count >= ngram or at == end:
                mixed = (rolled ^ (rolled >> _S30)) * _FIRST
                mixed = (mixed ^ (mixed >> _S27)) * _SECOND
                mixed ^= mixed >> _S31
                number = ((mixed >> _S32) * np.uint64(bins)) >> _S32
                low = mixed & _LOW
                if low < smallest[number]:
                    smallest[number] = low
        window[:] = 0
        if count == 0:
            values[text] = 0
            continue
        for number in range(bins):
            found, tries = np.uint64(number), np.uint64(0)
            while smallest[found] > _LOW:
                tries += _ONE
                mixed = (np.uint64(number) << _S32) + tries
                mixed = (mixed ^ (mixed >> _S30)) * _FIRST
                mixed = (mixed ^ (mixed >> _S27)) * _SECOND
                mixed ^= mixed >> _S31
                found = ((mixed >> _S32) * np.uint64(bins)) >> _S32
            values[text, number] = smallest[found]
