"""Take the prints of texts: few bytes by which they are compared later, when nobody has the texts any more.

WORK/prints/00012.arrow   the articles of unit 12 that have a text, in the order of the source
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.articles import Articles, Texts, utf8_of
from pipeline.duplicates.signatures import mixed, signatures
from pipeline.settings import ShardsSettings
from pipeline.storage import Place

DIGEST_BYTES = 16  # of sha256: too many for anyone to find another text with the digest of a given one
_BASE = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Prints:
    """Prints of some texts.

    Attributes:
        text_bytes: int64 [texts], of UTF-8.
        digests: uint8 [texts, DIGEST_BYTES].
        bands: uint64 [texts, bands], hashes: of two texts that are alike, one of these is most likely the same.
        values: uint8 [texts, permutations]: the share of equal ones estimates the Jaccard similarity of two texts.
            Eight bits of each MinHash are enough (Li and König, 2010): of unlike texts, one in 256 is equal.
    """

    text_bytes: NDArray[np.int64]
    digests: NDArray[np.uint8]
    bands: NDArray[np.uint64]
    values: NDArray[np.uint8]


NO_PRINTS = Prints(
    np.empty(0, np.int64),
    np.empty((0, DIGEST_BYTES), np.uint8),
    np.empty((0, 0), np.uint64),
    np.empty((0, 0), np.uint8),
)


def prints_name(unit: int) -> str:
    """Name the file of a unit's prints in a work place."""
    return f"prints/{unit:05d}.arrow"


def prints_of(texts: Texts, shards: ShardsSettings) -> Prints:
    """Take the prints that `shards.deduplicate` needs: a digest of each text, and for near duplicates its MinHash."""
    data, offsets = utf8_of(texts)
    sizes = np.diff(offsets)
    rows = _digests(data.data, offsets.tolist())
    if shards.deduplicate != "near":
        return Prints(sizes, rows, np.empty((len(texts), 0), np.uint64), np.empty((len(texts), 0), np.uint8))
    signed = signatures(texts, shards.near_ngram, shards.near_permutations)
    hashes = np.zeros((len(texts), shards.near_bands), np.uint64)
    for values in np.split(signed, shards.near_permutations // shards.near_bands, axis=1):
        hashes = hashes * _BASE + values
    return Prints(sizes, rows, mixed(hashes), (signed & 0xFF).astype(np.uint8))


def _digests(data: memoryview, offsets: Sequence[int]) -> NDArray[np.uint8]:
    """Hash texts, which lie one after another in `data`: uint8 [texts, DIGEST_BYTES]."""
    hashes = (hashlib.sha256(data[start:end]).digest() for start, end in pairwise(offsets))
    return np.frombuffer(b"".join(digest[:DIGEST_BYTES] for digest in hashes), np.uint8).reshape(-1, DIGEST_BYTES)


def print_schema(shards: ShardsSettings) -> pa.Schema:
    """Return the columns of a file of prints: who it is, and each field of `Prints`, every band a column."""
    columns = {"page_id": pa.int64(), "title": pa.string(), "text_bytes": pa.int64(), "digest": pa.binary(DIGEST_BYTES)}
    if shards.deduplicate == "near":
        columns |= {band_name(number): pa.uint64() for number in range(shards.near_bands)}
        columns["values"] = pa.binary(shards.near_permutations)
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in columns.items()])


def band_name(number: int) -> str:
    """Name the column of a band."""
    return f"band_{number}"


def print_columns(articles: Articles, prints: Prints) -> list[Any]:
    """Return the columns of a file of prints, of at least one article."""
    columns = [articles.page_ids, articles.titles, prints.text_bytes, _binary(prints.digests)]
    if prints.bands.shape[1]:
        columns += [*prints.bands.T.copy(), _binary(prints.values)]
    return columns


def read_prints(work: Place, unit: int, *names: str) -> pa.Table:
    """Read columns of a unit's prints; in a folder, only these are read."""
    name = prints_name(unit)
    source = pa.memory_map(str(work.path / name)) if work.is_local else pa.BufferReader(work.read(name))
    return pa.ipc.open_stream(source).read_all().select(list(names))


def bytes_of(column: pa.ChunkedArray) -> NDArray[np.uint8]:
    """Return a fixed-size binary column as uint8 [rows, width]."""
    width = column.type.byte_width
    chunks = [
        np.frombuffer(chunk.buffers()[1], np.uint8)[chunk.offset * width : (chunk.offset + len(chunk)) * width]
        for chunk in column.chunks if len(chunk)
    ]  # fmt: skip
    return np.concatenate([np.empty(0, np.uint8), *chunks]).reshape(-1, width)


def _binary(rows: NDArray[np.uint8]) -> Any:
    """Make a fixed-size binary column of the rows of an array."""
    count, width = rows.shape
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), count, [None, pa.py_buffer(rows.tobytes())])
