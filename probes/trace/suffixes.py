"""Sort all places in rows of tokens by what stands there, to the end of the row: a suffix array that ends at rows."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydivsufsort import divsufsort

BLOCK = 1 << 22  # entries of the array that are looked at together


def id_bytes(vocab_size: int) -> int:
    """Return how many bytes an id takes, 2 or 4. They stand with the highest first: bytes then sort as ids do."""
    return 2 if vocab_size <= 2**16 else 4


def sorted_places(rows: NDArray[Any], vocab_size: int) -> Iterator[NDArray[np.uint32]]:
    """Sort the places of tokens by the tokens from there to the end of their row, and yield them in blocks.

    A model never sees beyond its row, so that neither does a comparison: the end of a row goes before every token.
    Places from which rows end alike follow each other in an order of no meaning, but always the same.

    The bytes of the ids are sorted by libdivsufsort (Mori; Fischer and Kurpicz 2017), of which every other place or
    every fourth begins an id. It takes 5 bytes of memory for each of these bytes: 10 or 20 for a token.

    Args:
        rows: ids of a vocabulary of `vocab_size`, [rows, chunk_tokens], fewer than 2**32 in all.
        vocab_size: number of ids.

    Yields:
        uint32 [up to BLOCK]: row * chunk_tokens + token.
    """
    height, width = rows.shape
    size = id_bytes(vocab_size + 1)  # each id grows by one, so that 0 can stand for the end of a row
    text = np.zeros((height, width + 1), dtype=f">u{size}")
    text[:, :width] = rows
    text[:, :width] += 1
    order = divsufsort(text.view(np.uint8).reshape(-1))
    for start in range(0, len(order), BLOCK):
        block = order[start : start + BLOCK]
        tokens = block[block % size == 0] // size
        tokens = tokens[tokens % (width + 1) != width]
        yield (tokens - tokens // (width + 1)).astype(np.uint32)
