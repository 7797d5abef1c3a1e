"""Find where tokens stand in the rows of one part: binary searches in its suffix array (Manber and Myers 1993).

Tokens are bytes here, 2 or 4 for each id, the highest first, so that comparing bytes compares ids.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from wikilm.errors import RunError


@dataclass(frozen=True)
class Part:
    """The rows of a part, and their places sorted. A search takes log2(places) steps, and reads a page of either file
    in each; the pages of the first steps are those of every search.
    """

    name: str  # said in errors
    first_row: int  # of the split
    tokens: bytes  # of all rows; or a memory map, whose slices are bytes
    places: memoryview  # uint32: row * row_bytes // id_bytes + token, sorted by what stands there
    id_bytes: int
    row_bytes: int

    def longest(self, wanted: bytes) -> int:
        """Return how many of the wanted tokens, from the first on, stand together in a row; 0 where not one does."""
        at, read = self._rank(wanted), self._reader()
        near = (read(place) for place in self.places[max(0, at - 1) : at + 1])
        return max((_common(wanted, found) for found in near), default=0) // self.id_bytes

    def span(self, wanted: bytes) -> tuple[int, int]:
        """Return the first of the sorted places where the wanted tokens stand, and the one after the last."""
        beyond = wanted + b"\xff" * (self.row_bytes + 1)  # goes after all that begins with the wanted
        return self._rank(wanted), self._rank(beyond)

    def first_places(self, wanted: bytes, most: int) -> list[tuple[int, int]]:
        """Return the first (row, token) where the wanted tokens stand, in the order of the rows, `most` at most.

        Raises:
            RunError: other tokens stand there: the index is damaged.
        """
        found = np.asarray(self.places[slice(*self.span(wanted))])
        if len(found) > most:
            found = np.partition(found, most)[:most]
        places, width, read = sorted(found.tolist()), self.row_bytes // self.id_bytes, self._reader()
        if not all(read(place).startswith(wanted) for place in places):
            raise RunError(f"{self.name}: damaged; make the index again with python -m probes index")
        return [(self.first_row + place // width, place % width) for place in places]

    def _rank(self, wanted: bytes) -> int:
        """Return how many places go before the wanted tokens."""
        return bisect_left(self.places, wanted, key=self._reader())

    def _reader(self) -> Callable[[int], bytes]:
        """Return how to read what stands at a place, to the end of its row: a closure, since most of the time of a
        search goes there.
        """
        tokens, size, row_bytes = self.tokens, self.id_bytes, self.row_bytes

        def read(place: int) -> bytes:
            start = place * size
            return tokens[start : start - start % row_bytes + row_bytes]

        return read


def _common(one: bytes, other: bytes) -> int:
    """Return how many bytes two texts have in common from the first on."""
    if one.startswith(other):
        return len(other)
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
