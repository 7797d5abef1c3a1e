"""Open the shards that a manifest lists, and refuse what does not match it."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wikilm.cores import cores
from wikilm.errors import RunError
from wikilm.files import sha256_of
from wikilm.shards.format import MANIFEST, SPLITS, schema
from wikilm.shards.manifest import Manifest, ShardEntry, parse_manifest


def read_manifest(folder: Path) -> Manifest:
    """Read `folder/manifest.json`.

    Raises:
        RunError: there is none (the folder is no finished set of shards), or it does not hold what it must.
    """
    path = folder / MANIFEST
    try:
        return parse_manifest(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise RunError(
            f"{path}: no such file, so {folder} holds no finished shards; make them with python -m pipeline"
        ) from None
    except OSError as error:
        raise RunError(f"{path}: cannot read it: {error.strerror or error}") from None


def problems(folder: Path, manifest: Manifest, *, hashes: bool) -> Iterator[tuple[str, str]]:
    """Compare the files in `folder` with the manifest, and give (path, problem) for each that differs.

    With `hashes` every byte is read. Without, only presence and size are compared, which a training run can afford.
    """
    for entry in manifest.entries:
        path = folder / entry.path
        try:
            size = path.stat().st_size
        except OSError:
            yield entry.path, "is missing"
            continue
        if size != entry.bytes:
            yield entry.path, f"has {size} bytes instead of {entry.bytes}"
        elif hashes and (digest := sha256_of(path)) != entry.sha256:
            yield entry.path, f"has sha256 {digest} instead of {entry.sha256}"


@dataclass(frozen=True)
class ShardFolder:
    """A finished set of shards whose files were all there, in their sizes, when it was opened."""

    path: Path
    manifest: Manifest

    def check_bytes(self, part: int = 0, parts: int = 1, splits: Sequence[str] = SPLITS) -> None:
        """Read every byte of the shards of these splits and compare their hashes with the manifest, as one of `parts`
        that share them.

        Raises:
            RunError: a shard is not what was written.
        """
        entries = [entry for split in splits for entry in self.manifest.shards_of(split)][part::parts]

        def digest(entry: ShardEntry) -> str:
            return sha256_of(self.path / entry.path)

        with ThreadPoolExecutor(cores()) as threads:  # hashing lets others run
            for entry, found in zip(entries, threads.map(digest, entries), strict=True):
                if found != entry.sha256:
                    raise RunError(
                        f"{self.path / entry.path}: has sha256 {found[:12]} instead of {entry.sha256[:12]}, so it has "
                        f"changed since it was written; run python -m pipeline.verify {self.path}"
                    )

    def rows(self, split: str) -> "SplitRows":
        """Return the rows of `train` or `validation`, memory-mapped.

        Raises:
            RunError: a shard of it cannot be opened (see `open_shard`).
        """
        return SplitRows(self, split)


def open_checked(folder: Path) -> ShardFolder:
    """Read the manifest of a folder of shards, and check that every file it lists is there in its size.

    Raises:
        RunError: the folder holds no finished shards, or a file is missing or has another size.
    """
    manifest = read_manifest(folder)
    for path, problem in problems(folder, manifest, hashes=False):
        raise RunError(f"{folder / path}: {problem}; run python -m pipeline.verify {folder}")
    return ShardFolder(folder, manifest)


class SplitRows:
    """All rows of one split, in the order of the manifest; they stay on disk until `take` asks for them."""

    def __init__(self, shards: ShardFolder, split: str) -> None:
        """Map the shards of a split.

        Raises:
            RunError: a shard of it cannot be opened (see `open_shard`).
        """
        column = open_split(shards.path, shards.manifest, split).column("input_ids")
        self._parts = [token_rows(chunk) for chunk in column.chunks]
        self._starts = np.cumsum([0, *map(len, self._parts)])
        self._shards, self._split = shards, split

    def __len__(self) -> int:
        return int(self._starts[-1])

    def take(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the rows with these indices, int64 [len(indices), chunk_tokens].

        Raises:
            RunError: a row holds an id that the vocabulary does not have.
        """
        folder, manifest = self._shards.path, self._shards.manifest
        parts = np.searchsorted(self._starts, indices, side="right") - 1
        rows = np.empty((len(indices), manifest.chunk_tokens), dtype=np.int64)
        for out, (part, index) in enumerate(zip(parts, indices, strict=True)):
            rows[out] = self._parts[part][index - self._starts[part]]
        if rows.size and rows.max() >= manifest.tokenizer.vocab_size:
            raise RunError(
                f"{folder}: a row of {self._split} holds id {rows.max()}, but the vocabulary ends at "
                f"{manifest.tokenizer.vocab_size - 1}; run python -m pipeline.verify {folder}"
            )
        return rows


def open_shard(folder: Path, manifest: Manifest, entry: ShardEntry) -> pa.Table:
    """Open the rows of one shard, memory-mapped; columns as in `schema`.

    Raises:
        RunError: it is missing, has another size than the manifest says, or holds other columns.
    """
    path = folder / entry.path
    try:
        with pa.memory_map(str(path)) as source:
            size = source.size()
            table = pa.ipc.open_stream(source).read_all()
    except (OSError, pa.ArrowInvalid) as error:
        raise RunError(f"{path}: cannot read this shard: {error}; run python -m pipeline.verify {folder}") from None
    expected = schema(manifest.chunk_tokens, manifest.tokenizer.vocab_size, manifest.names_wikis)
    if size != entry.bytes or table.num_rows != entry.rows or table.schema.remove_metadata() != expected:
        raise RunError(f"{path}: not the shard that {MANIFEST} names; run python -m pipeline.verify {folder}")
    return table.replace_schema_metadata(None)


def open_split(folder: Path, manifest: Manifest, split: str) -> pa.Table:
    """Open all rows of one split, memory-mapped, in the order of the manifest; columns as in `schema`.

    Raises:
        RunError: a shard of it cannot be opened (see `open_shard`).
    """
    tables = [open_shard(folder, manifest, entry) for entry in manifest.shards_of(split)]
    columns = schema(manifest.chunk_tokens, manifest.tokenizer.vocab_size, manifest.names_wikis)
    return pa.concat_tables(tables) if tables else columns.empty_table()


def token_rows(ids: pa.FixedSizeListArray) -> Any:
    """Return a chunk of the column `input_ids` as a numpy array of uint16 or uint32 [rows, chunk_tokens], without a
    copy.

    By DLPack, since pyarrow's own `flatten` and `to_numpy` import pandas and all compute functions.
    """
    tokens = ids.type.list_size
    return np.from_dlpack(ids.values)[ids.offset * tokens : (ids.offset + len(ids)) * tokens].reshape(-1, tokens)
