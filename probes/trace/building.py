"""Make an index of shards: for each split its rows in parts, and each part's places sorted by what stands there."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from probes.trace.manifest import FILE, IndexManifest, PartEntry, digest_of, manifest_bytes
from probes.trace.suffixes import id_bytes, sorted_places
from wikilm.errors import RunError
from wikilm.files import new_folder, refuse_mount, sha256_of
from wikilm.shards import SPLITS, FileEntry, ShardFolder, open_checked, open_split, token_rows

TOKENS, PLACES = ".tokens", ".places"  # how the names of a part's files end


def build_index(shards: Path, output: Path, part_tokens: int) -> IndexManifest:
    """Write the index of a folder of shards to `output`, whole or not at all: the same bytes for the same shards.

    A part is sorted in memory, which takes some 12 bytes for each of its tokens (24 where an id has 4 bytes).

    Args:
        shards: their folder.
        output: folder of the index; an index that stood there is replaced.
        part_tokens: tokens of a part at most, in whole rows; one row at least.

    Raises:
        RunError: no finished shards, or damaged ones, or a folder that holds something else than an index.
    """
    _refuse_to_replace(output)
    folder = open_checked(shards)
    folder.check_bytes()
    manifest = folder.manifest
    total = sum(shard.tokens for shard in manifest.shards)
    with (
        new_folder(output) as unfinished,
        tqdm(total=total, unit="token", unit_scale=True, desc="index", delay=2, disable=None) as bar,
    ):
        parts = [
            _write_part(unfinished, manifest.tokenizer.vocab_size, rows, split, first, bar.update)
            for split in SPLITS
            for first, rows in _parts(folder, split, max(1, part_tokens // manifest.chunk_tokens))
        ]
        index = IndexManifest(
            shards=digest_of(manifest),
            tokenizer=manifest.tokenizer.sha256,
            vocab_size=manifest.tokenizer.vocab_size,
            chunk_tokens=manifest.chunk_tokens,
            parts=parts,
        )
        (unfinished / FILE).write_bytes(manifest_bytes(index))
    return index


def _refuse_to_replace(output: Path) -> None:
    """Refuse an output that holds files of others, which would go: a folder is made whole or not at all."""
    refuse_mount(output, "--output")
    if output.is_dir():
        kept = [path.name for path in output.iterdir() if path.name != FILE and path.suffix not in (TOKENS, PLACES)]
        if kept:
            raise RunError(f"{output}: holds {min(kept)}, which is no part of an index; name another folder")
    elif output.exists() or output.is_symlink():
        raise RunError(f"{output}: is no folder; name another")


def _parts(folder: ShardFolder, split: str, most_rows: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the rows of a split in parts, each with the number of its first row."""
    column = open_split(folder.path, folder.manifest, split).column("input_ids")
    for first in range(0, len(column), most_rows):
        rows = np.concatenate([token_rows(chunk) for chunk in column.slice(first, most_rows).chunks])
        if rows.max() >= folder.manifest.tokenizer.vocab_size:
            raise RunError(
                f"{folder.path}: a row of {split} holds id {rows.max()}, which the vocabulary does not have; "
                f"run python -m pipeline.verify {folder.path}"
            )
        yield first, rows


def _write_part(
    folder: Path, vocab_size: int, rows: NDArray[Any], split: str, first: int, done: Callable[[int], object]
) -> PartEntry:
    name = f"{split}-{first:010d}"
    tokens = _write(folder / f"{name}{TOKENS}", [rows.astype(f">u{id_bytes(vocab_size)}")])
    places = _write(folder / f"{name}{PLACES}", (block.astype("<u4") for block in sorted_places(rows, vocab_size)))
    done(rows.size)
    return PartEntry(split=split, first_row=first, rows=len(rows), tokens=tokens, places=places)  # type: ignore[arg-type]


def _write(path: Path, blocks: Iterable[NDArray[Any]]) -> FileEntry:
    with path.open("wb") as file:
        for block in blocks:
            file.write(np.ascontiguousarray(block).data)  # tofile() does not say why it fails
    return FileEntry(path=path.name, bytes=path.stat().st_size, sha256=sha256_of(path))
