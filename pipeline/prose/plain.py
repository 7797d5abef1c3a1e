"""Normalize line ends and remove control characters, in one text or in a column of them."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.prose.signs import CONTROL

PIECE = 1 << 18  # bytes that are looked at in one go: their masks stay in the processor's cache
_TAB, _LINE_FEED, _SPACE = 9, 10, 32

# First byte, and the least and the largest that may follow: U+0080 to U+009F, U+FEFF (and others), U+007F by itself.
_TWO_BYTES = ((0xC2, 0x80, 0x9F), (0xEF, 0xBB, 0xBB), (0x7F, 0x00, 0xFF))


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
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    found = _suspicious(data)
    if not len(found):
        return texts
    rows = np.unique(np.searchsorted(offsets - offsets[0], found, side="right") - 1)
    mask = np.zeros(len(texts), bool)
    mask[rows] = True
    return pc.replace_with_mask(texts, mask, pa.array([plain(texts[int(row)].as_py()) for row in rows], pa.string()))


def _suspicious(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return where in UTF-8 a character may begin that is a carriage return or one of signs.CONTROL.

    Args:
        data: uint8, (bytes).
    """
    found = []
    room, masks = np.empty(PIECE, np.uint8), np.empty(PIECE, np.bool_)  # made once, as the pieces come and go
    for start in range(0, len(data), PIECE):
        piece = data[start : start + PIECE]
        shifted, mask = room[: len(piece)], masks[: len(piece)]
        if np.less(piece, _TAB, out=mask).any():
            found.append(start + np.flatnonzero(mask))
        np.subtract(piece, _LINE_FEED + 1, out=shifted)  # so that what is less has become large
        if np.less(shifted, _SPACE - _LINE_FEED - 1, out=mask).any():
            found.append(start + np.flatnonzero(mask))
        for first, least, most in _TWO_BYTES:
            if np.equal(piece, first, out=mask).any():
                at = start + np.flatnonzero(mask)
                second = data[np.minimum(at + 1, len(data) - 1)]
                found.append(at[(second >= least) & (second <= most)])
    return np.concatenate(found) if found else np.empty(0, np.int64)


def blank_texts(texts: Any) -> NDArray[np.bool_]:
    """Return which texts are empty or white space alone, as `str.strip` sees it: bool, (texts).

    Args:
        texts: pyarrow string array without nulls.
    """
    blank = np.array(pc.or_(pc.utf8_is_space(texts), pc.equal(pc.binary_length(texts), 0)), dtype=bool)
    for row in np.flatnonzero(blank):
        blank[row] = not texts[int(row)].as_py().strip()
    return blank
