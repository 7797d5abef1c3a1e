"""Normalize line ends and remove control characters, in one text or in a column of them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.articles import utf8_of
from pipeline.prose.signs import CONTROL

PIECE = 1 << 18  # bytes that are looked at in one go: their masks stay in the processor's cache
_TAB, _LINE_FEED, _SPACE, _DELETE = 9, 10, 32, 0x7F

# First byte, and the largest that may follow: U+0080 to U+009F; U+FEFF, with some of other scripts.
_TWO_BYTES = ((0xC2, 0x9F), (0xEF, 0xBB))


def plain(text: str) -> str:
    """Return a text with line feeds for all line ends, and without control characters (signs.CONTROL)."""
    return CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def plain_texts(texts: Any) -> Any:
    """Return `plain` of each text, at the speed of memory, since only texts that may change are decoded.

    Args:
        texts: pyarrow string array without nulls.

    Returns:
        A string array of the same length; the same array if nothing changes.
    """
    data, offsets = utf8_of(texts)
    found = _suspicious(data)
    if not len(found):
        return texts
    rows = np.unique(np.searchsorted(offsets, found, side="right") - 1)
    mask = np.zeros(len(texts), bool)
    mask[rows] = True
    return pc.replace_with_mask(texts, mask, pa.array([plain(texts[int(row)].as_py()) for row in rows], pa.string()))


def _suspicious(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return where in UTF-8 a character may begin that is a carriage return or one of signs.CONTROL.

    Args:
        data: uint8, (bytes).
    """
    found = []
    room, masks = np.empty(PIECE, np.uint8), np.empty((2, PIECE), np.bool_)  # made once, as the pieces come and go
    for start in range(0, len(data), PIECE):
        piece = data[start : start + PIECE]
        shifted = np.subtract(piece, _LINE_FEED + 1, out=room[: len(piece)])  # so that what is less has become large
        signed = piece.view(np.int8)
        # Least and largest are found faster than places, and nearly always there is nothing to be found.
        if piece.min() < _TAB:
            found.append(start + np.flatnonzero(piece < _TAB))
        if shifted.min() < _SPACE - _LINE_FEED - 1:
            found.append(start + np.flatnonzero(shifted < _SPACE - _LINE_FEED - 1))
        if signed.max() == _DELETE:
            found.append(start + np.flatnonzero(piece == _DELETE))
        if signed.min() < 0:
            found.extend(start + at for at in _pairs(data[start : start + PIECE + 1], masks))
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _pairs(data: NDArray[np.uint8], room: NDArray[np.bool_]) -> Iterator[NDArray[np.int64]]:
    """Yield the places in UTF-8 of each of _TWO_BYTES that is there."""
    first, second = data[:-1], data[1:]
    for lead, most in _TWO_BYTES:
        begins = np.equal(first, lead, out=room[0, : len(first)])
        if begins.any():
            begins &= np.less_equal(second, most, out=room[1, : len(first)])
            yield np.flatnonzero(begins)


def blank_texts(texts: Any) -> NDArray[np.bool_]:
    """Return which texts are empty or white space alone, as `str.strip` sees it: bool, (texts).

    Args:
        texts: pyarrow string array without nulls.
    """
    blank = np.array(pc.or_(pc.utf8_is_space(texts), pc.equal(pc.binary_length(texts), 0)), dtype=bool)
    for row in np.flatnonzero(blank):
        blank[row] = not texts[int(row)].as_py().strip()
    return blank
