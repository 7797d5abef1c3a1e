"""Open an index beside the shards that it is of, memory-mapped, and look tokens up in it."""

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from probes.trace.manifest import IndexManifest, PartEntry, digest_of, read_index_manifest
from probes.trace.search import Part
from probes.trace.suffixes import id_bytes
from wikilm.errors import RunError
from wikilm.files import sha256_of
from wikilm.shards import SPLITS, Origins, ShardFolder, open_checked

SMALL = 1 << 28  # bytes that are read in a fraction of a second: such an index is compared with its hashes each time
AGAIN = "make the index again with python -m probes index"


@dataclass(frozen=True)
class Index:
    """An index of shards, ready to be asked."""

    shards: ShardFolder
    origins: Origins  # of the shards
    parts: dict[str, tuple[Part, ...]]  # by split

    @property
    def chunk_tokens(self) -> int:
        """Tokens of a row."""
        return self.shards.manifest.chunk_tokens

    def encode(self, ids: Sequence[int]) -> bytes:
        """Return ids of the shards' vocabulary as the bytes that are searched for."""
        return np.array(ids, dtype=f">u{id_bytes(self.shards.manifest.tokenizer.vocab_size)}").tobytes()

    def longest(self, split: str, ids: Sequence[int]) -> list[int]:
        """Return for each token of a text how many tokens, from it on, stand together in one row of a split."""
        known = self.shards.manifest.tokenizer.vocab_size
        size, data = id_bytes(known), self.encode([min(token, known - 1) for token in ids])
        lengths = [0] * len(ids)
        stop = len(ids)  # no run goes beyond an id that the shards do not have
        for start in reversed(range(len(ids))):
            if ids[start] >= known:
                stop = start
                continue
            wanted = data[start * size : min(stop, start + self.chunk_tokens) * size]
            lengths[start] = max((part.longest(wanted) for part in self.parts[split]), default=0)
        return lengths

    def times(self, split: str, ids: Sequence[int]) -> int:
        """Return at how many places of a split the ids stand together in a row."""
        wanted = self.encode(ids)
        spans = (part.span(wanted) for part in self.parts[split])
        return sum(end - start for start, end in spans)

    def places(self, split: str, ids: Sequence[int], most: int) -> list[tuple[int, int]]:
        """Return the first places of a split where the ids stand together in a row, as (row, token of the row).

        Raises:
            RunError: the index is damaged.
        """
        wanted = self.encode(ids)
        found: list[tuple[int, int]] = []
        for part in self.parts[split]:
            if len(found) < most:
                found += part.first_places(wanted, most - len(found))
        return found


def open_index(folder: Path, shards: Path) -> Index:
    """Open an index, and refuse one that is damaged or of other shards.

    Sizes are compared each time, hashes where the index is small; `check_index` compares the hashes of any.

    Raises:
        RunError: there is no index or no shards, one of them is damaged, or the two do not belong together.
    """
    manifest, opened = _read(folder, shards)
    _check_files(folder, manifest, hashes=sum(file.bytes for file in manifest.files) <= SMALL)
    parts = {
        split: tuple(_open_part(folder, manifest, part) for part in manifest.parts if part.split == split)
        for split in SPLITS
    }
    return Index(opened, Origins(opened.path, opened.manifest), parts)


def check_index(folder: Path, shards: Path) -> IndexManifest:
    """Compare every byte of an index with its hashes.

    Raises:
        RunError: as `open_index`.
    """
    manifest, _ = _read(folder, shards)
    _check_files(folder, manifest, hashes=True)
    return manifest


def _read(folder: Path, shards: Path) -> tuple[IndexManifest, ShardFolder]:
    """Read the manifest of an index, and open the shards, if it is of them."""
    manifest, opened = read_index_manifest(folder), open_checked(shards)
    ours = opened.manifest
    rows = {split: sum(part.rows for part in manifest.parts if part.split == split) for split in SPLITS}
    found = (manifest.shards, manifest.tokenizer, manifest.vocab_size, manifest.chunk_tokens, rows)
    tokenizer, wanted_rows = ours.tokenizer, {split: ours.row_count(split) for split in SPLITS}
    if found != (digest_of(ours), tokenizer.sha256, tokenizer.vocab_size, ours.chunk_tokens, wanted_rows):
        raise RunError(f"{folder}: the index of other shards than those in {shards}; {AGAIN} --shards {shards}")
    return manifest, opened


def _check_files(folder: Path, manifest: IndexManifest, *, hashes: bool) -> None:
    for file in manifest.files:
        path = folder / file.path
        try:
            same = path.stat().st_size == file.bytes and (not hashes or sha256_of(path) == file.sha256)
        except OSError as error:
            raise RunError(f"{path}: cannot read it: {error.strerror or error}; {AGAIN}") from None
        if not same:
            raise RunError(f"{path}: not the file that the index was made with: cut or changed since; {AGAIN}")


def _open_part(folder: Path, manifest: IndexManifest, part: PartEntry) -> Part:
    size = id_bytes(manifest.vocab_size)
    try:
        tokens, places = _mapped(folder / part.tokens.path), _mapped(folder / part.places.path)
    except OSError as error:
        raise RunError(f"{folder / part.tokens.path}: cannot read it: {error.strerror or error}; {AGAIN}") from None
    return Part(
        name=str(folder / part.places.path),
        first_row=part.first_row,
        tokens=tokens,  # type: ignore[arg-type]
        places=np.frombuffer(places, dtype="<u4").astype("=u4", copy=False).data,
        id_bytes=size,
        row_bytes=manifest.chunk_tokens * size,
    )


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
