"""Sample rows of token ids from shards, and check that they fit the model that is asked about them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from probes.model import LoadedModel
from wikilm.errors import RunError
from wikilm.files import sha256_of
from wikilm.model_folder import TOKENIZER, TRAINING
from wikilm.shards import SPLITS, Manifest, ShardFolder, open_checked

TokenIds = NDArray[np.int64]  # [rows, chunk_tokens], token ids


@dataclass(frozen=True)
class RowSample:
    """Rows of both splits that a probe looks at."""

    shards: ShardFolder
    train: TokenIds
    validation: TokenIds
    numbers: tuple[NDArray[np.int64], NDArray[np.int64]]  # of train and validation: each row's place in its split

    @property
    def manifest(self) -> Manifest:
        """The manifest of the shards."""
        return self.shards.manifest

    def split(self, name: str) -> TokenIds:
        """Return the rows of `train` or `validation`."""
        return self.train if name == "train" else self.validation

    def numbers_of(self, name: str) -> NDArray[np.int64]:
        """Return each row's number in `train` or `validation`, as `python -m pipeline.locate` takes it."""
        return self.numbers[SPLITS.index(name)]

    def thinned(self, limit: int | None) -> "RowSample":
        """Return at most `limit` rows of each split, evenly spread over these; None for all."""

        def chosen(rows: TokenIds) -> NDArray[np.int64]:
            few = len(rows) if limit is None else min(limit, len(rows))
            return np.arange(few) * len(rows) // max(1, few)

        train, validation = chosen(self.train), chosen(self.validation)
        numbers = (self.numbers[0][train], self.numbers[1][validation])
        return RowSample(self.shards, self.train[train], self.validation[validation], numbers)


def sample_rows(folder: Path, loaded: LoadedModel, limit: int | None, seed: int) -> RowSample:
    """Take at most `limit` rows of each split of a folder of shards: a seeded sample, in the order of the shards.

    Raises:
        RunError: no finished shards, damaged ones, a split without rows, or ids of another vocabulary than the model's.
    """
    shards = open_checked(folder)
    same_vocabulary(shards, loaded)
    numbers = (_drawn(shards, SPLITS[0], limit, seed), _drawn(shards, SPLITS[1], limit, seed))
    train, validation = (shards.rows(split).take(drawn) for split, drawn in zip(SPLITS, numbers, strict=True))
    for rows in (train, validation):
        if int(rows.max()) >= loaded.vocab_size:
            raise RunError(f"{folder}: holds token id {int(rows.max())}, but {loaded.name} knows {loaded.vocab_size}")
    return RowSample(shards, train, validation, numbers)


class HasVocabulary(Protocol):
    """What is compared of a model: its tokenizer, and where that lies."""

    @property
    def name(self) -> str:
        """As the caller gave it."""

    @property
    def folder(self) -> Path:
        """Where its files lie."""

    @property
    def tokenizer(self) -> Any:
        """A transformers tokenizer."""

    @property
    def vocab_size(self) -> int:
        """Number of ids that stand for something."""


def same_vocabulary(shards: ShardFolder, loaded: HasVocabulary) -> None:
    """Refuse a model whose ids mean something else, as far as that can be seen."""
    folder, manifest = shards.path, shards.manifest
    ours, theirs = manifest.tokenizer, loaded.tokenizer
    trained = loaded.folder / TOKENIZER
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


def _drawn(shards: ShardFolder, split: str, limit: int | None, seed: int) -> NDArray[np.int64]:
    """Return the numbers of at most `limit` rows of a split, drawn without replacement, rising; no rows of canaries."""
    rows = shards.manifest.article_rows(split)
    if rows == 0:
        raise RunError(
            f"{shards.path}: the {split} split has no rows: make shards from more articles, or change split.*"
        )
    if limit is None or limit >= rows:
        return np.arange(rows)
    return np.sort(np.random.default_rng([seed, SPLITS.index(split)]).choice(rows, limit, replace=False))
