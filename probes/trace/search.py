"""Find where tokens stand in the rows of one part: binary searches in its suffix array (Manber and Myers 1993).

Tokens are bytes here, 2 or 4 for each id, the highest first, so that comparing bytes compares ids.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wikilm.errors import RunError


@dataclass(frozen=True)
class Part:
    """The rows of a part, and their places sorted. A search reads two pages of the files for each of its
    log2(tokens) steps, the first of which all searches share.
    """

    name: str  # said in errors
    first_row: int  # of the split
    tokens: bytes  # of all rows; or a memory map, whose slices are bytes
    places: NDArray[np.uint32]  # row * row_bytes // id_bytes + token, sorted by what stands there
    id_bytes: int
    row_bytes: int

    def longest(self, wanted: bytes) -> int:
        """Return how many of the wanted tokens, from the first on, stand together in a row; 0 where not one does."""
        at = bisect_left(self.places, wanted, key=self._read(len(wanted)))
        read = self._read(len(wanted))
        near = (read(place) for place in self.places[max(0, at - 1) : at + 1])
        return max((_common(wanted, found) for found in near), default=0) // self.id_bytes

    def span(self, wanted: bytes) -> tuple[int, int]:
        """Return the first of the sorted places where the wanted tokens stand, and the one after the last."""
        read = self._read(len(wanted))
        first = bisect_left(self.places, wanted, key=read)
        return first, bisect_right(self.places, wanted, lo=first, key=read)

    def first_places(self, wanted: bytes, most: int) -> list[tuple[int, int]]:
        """Return the first (row, token) where the wanted tokens stand, in the order of the rows, `most` at most.

        Raises:
            RunError: other tokens stand there: the index is damaged.
        """
        found = self.places[slice(*self.span(wanted))]
        if len(found) > most:
            found = np.partition(found, most)[:most]
        read, width = self._read(len(wanted)), self.row_bytes // self.id_bytes
        if any(read(place) != wanted for place in found):
            raise RunError(f"{self.name}: damaged; make the index again with python -m probes index")
        return [(self.first_row + place // width, place % width) for place in sorted(found.tolist())]

    def _read(self, most: int) -> Callable[[int], bytes]:
        """Return how to read what stands at a place, to the end of its row, `most` bytes at most."""
        tokens, size, row_bytes = self.tokens, self.id_bytes, self.row_bytes

        def read(place: int) -> bytes:
            start = int(place) * size
            return tokens[start : min(start + most, start - start % row_bytes + row_bytes)]

        return read


def _common(one: bytes, other: bytes) -> int:
    """Return how many bytes two texts have in common from the first on."""
    if one.startswith(other):
        return len(other)
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
