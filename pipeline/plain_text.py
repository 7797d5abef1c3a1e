"""Plain texts in, the same texts out without what no text should hold: carriage returns and control characters."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.wikitext import CONTROL

PIECE = 1 << 16  # bytes that are looked at in one go: their masks stay in the processor's cache

# First byte, and the least and the largest that may follow: U+0080 to U+009F, U+FEFF (and others), U+007F by itself.
TWO_BYTES = ((0xC2, 0x80, 0x9F), (0xEF, 0xBB, 0xBB), (0x7F, 0x00, 0xFF))


def plain(text: str) -> str:
    """A text as it is but for line ends and control characters."""
    return CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def plain_texts(texts: Any) -> Any:
    """`plain` of each text; at the speed of memory, since only those that hold such a character are touched.

    Args:
        texts: pyarrow string array without nulls.
    """
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    found = suspicious(data)
    if not len(found):
        return texts
    rows = np.unique(np.searchsorted(offsets - offsets[0], found, side="right") - 1)
    mask = np.zeros(len(texts), bool)
    mask[rows] = True
    return pc.replace_with_mask(texts, mask, pa.array([plain(texts[int(row)].as_py()) for row in rows], pa.string()))


def suspicious(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Where in some UTF-8 a character may begin that is a carriage return or one of `wikitext.CONTROL`.

    Args:
        data: uint8 [bytes].
    """
    found = []
    for start in range(0, len(data), PIECE):
        piece = data[start : start + PIECE]
        raw = piece.tobytes()  # since a byte that is rare is soonest missed by a search
        low = piece < 0x20
        if np.count_nonzero(low) > raw.count(b"\n") + raw.count(b"\t"):
            found.append(start + np.flatnonzero(low & (piece != 0x09) & (piece != 0x0A)))
        for first, least, most in TWO_BYTES:
            if first in raw:
                at = np.flatnonzero(piece == first)
                second = data[np.minimum(start + at + 1, len(data) - 1)]
                found.append(start + at[(second >= least) & (second <= most)])
    found = [some for some in found if len(some)]
    return np.concatenate(found) if found else np.empty(0, np.int64)


def is_empty(texts: Any) -> NDArray[np.bool_]:
    """Which texts are nothing but white space, as `str.strip` sees it.

    Args:
        texts: pyarrow string array without nulls.
    """
    empty = np.array(pc.or_(pc.utf8_is_space(texts), pc.equal(pc.binary_length(texts), 0)), dtype=bool)
    for row in np.flatnonzero(empty):
        empty[row] = not texts[int(row)].as_py().strip()
    return empty
