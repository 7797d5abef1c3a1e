"""A folder of shards in, rows of token ids of one split out, checked against the model that is asked about them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from probes.model import LoadedModel
from wikilm.errors import RunError
from wikilm.files import sha256_of
from wikilm.shards.format import SPLITS
from wikilm.shards.manifest import Manifest
from wikilm.shards.reading import open_split, problems, read_manifest, token_rows

TRAINING = "training.json"  # in every model folder that training writes: its settings, figures and history
Rows = NDArray[np.int64]  # [rows, chunk_tokens], token ids


@dataclass(frozen=True)
class Shards:
    """The rows of a folder of shards that a probe looks at."""

    manifest: Manifest
    train: Rows
    validation: Rows

    def split(self, name: str) -> Rows:
        """The rows of `train` or `validation`."""
        return self.train if name == "train" else self.validation


def read_shards(folder: Path, loaded: LoadedModel, limit: int | None, seed: int) -> Shards:
    """Read the shards and keep at most `limit` rows of each split, a seeded sample in the order of the shards.

    Raises:
        RunError: no finished shards, damaged ones, a split without rows, or ids of another vocabulary than the model's.
    """
    manifest = read_manifest(folder)
    for path, problem in problems(folder, manifest, hashes=False):
        raise RunError(f"{folder / path}: {problem}; run python -m pipeline.verify {folder}")
    _same_vocabulary(folder, manifest, loaded)
    parts = [_sample(folder, manifest, split, limit, seed) for split in SPLITS]
    for rows in parts:
        if int(rows.max()) >= loaded.vocab_size:
            raise RunError(f"{folder}: holds token id {int(rows.max())}, but {loaded.name} knows {loaded.vocab_size}")
    return Shards(manifest, *parts)


def _same_vocabulary(folder: Path, manifest: Manifest, loaded: LoadedModel) -> None:
    """Refuse a model whose ids mean something else, as far as that can be seen."""
    ours, theirs = manifest.tokenizer, loaded.tokenizer
    trained = loaded.folder / "tokenizer.json"
    if (loaded.folder / TRAINING).is_file() and trained.is_file() and sha256_of(trained) != ours.sha256:
        # Training copies the tokenizer byte for byte, so that another one's hash means other shards.
        raise RunError(
            f"{trained}: not the tokenizer that made {folder}: use the shards that {loaded.name} was trained on"
        )
    # A hub model may lack the mask token that the pipeline adds at the end, and still have the same ids.
    if loaded.vocab_size < ours.vocab_size - 1 or theirs.eos_token_id not in (None, ours.end_of_text_id):
        raise RunError(
            f"{folder}: made with a tokenizer of {ours.vocab_size} entries, end of text {ours.end_of_text_id}; "
            f"{loaded.name} has {loaded.vocab_size} and {theirs.eos_token_id}: use the model trained on these shards"
        )


def _sample(folder: Path, manifest: Manifest, split: str, limit: int | None, seed: int) -> Rows:
    """At most `limit` rows of a split, drawn without replacement."""
    table = open_split(folder, manifest, split)
    if table.num_rows == 0:
        raise RunError(f"{folder}: the {split} split has no rows: make shards from more articles, or change split.*")
    parts = [token_rows(chunk) for chunk in table.column("input_ids").chunks]
    if limit is not None and limit < table.num_rows:
        chosen = np.random.default_rng([seed, SPLITS.index(split)]).choice(table.num_rows, limit, replace=False)
        drawn, starts = np.sort(chosen), np.cumsum([0, *map(len, parts)])
        of_part = np.split(drawn, np.searchsorted(drawn, starts[1:-1]))
        parts = [part[rows - start] for part, rows, start in zip(parts, of_part, starts, strict=False)]
    return np.concatenate(parts).astype(np.int64)
