"""Record what a result was made from: hashes of weights, tokenizer and shards, versions, and settings."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

import wikilm
from wikilm.errors import RunError
from wikilm.files import sha256_of
from wikilm.model_folder import CONFIG, TOKENIZER
from wikilm.pretrained import model_folder, weights_of
from wikilm.shards import MANIFEST

MADE_FROM = "made_from"  # the key in the JSON of a result
LIBRARIES = ("torch", "transformers")  # which decide the last digits of what a model answers

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class ModelFiles:
    """The files that decide what a model answers."""

    name: str  # as the user gave it
    weights: Sha256  # of model.safetensors; of several files, of what `sha256sum` prints of them
    config: Sha256
    tokenizer: Sha256 | None  # of tokenizer.json; None where a model keeps its tokenizer otherwise


@dataclass(frozen=True)
class MadeFrom:
    """What a result was made from: with the same of all this, one machine makes the same bytes."""

    models: tuple[ModelFiles, ...]
    shards: Sha256 | None  # of manifest.json, which has the hashes of all shards; None where no shards were read
    versions: dict[str, str]
    settings: dict[str, Any]


def made_from(models: Sequence[str], shards: Path | None, settings: Mapping[str, Any]) -> MadeFrom:
    """Hash what a result was made from.

    Args:
        models: folders or hub names, as the user gave them.
        shards: their folder.
        settings: as they were, flags included, in what JSON can hold.

    Raises:
        RunError: a file is missing or cannot be read.
    """
    versions = {"wikilm": wikilm.__version__} | {name: version(name) for name in LIBRARIES}
    return MadeFrom(
        tuple(hash_model(name) for name in models), hash_shards(shards) if shards else None, versions, dict(settings)
    )


def hash_model(name: str) -> ModelFiles:
    """Hash the files of a model: a second for 1.5 GB.

    Every byte is read, since a SHA256SUMS beside them may be of other files by now.

    Raises:
        RunError: they are missing or cannot be read.
    """
    folder = model_folder(name)
    weights = weights_of(name, folder).files
    sums = [(_sha256(path), path.name) for path in weights]
    lines = "".join(f"{digest}  {file}\n" for digest, file in sums)
    of_weights = sums[0][0] if len(sums) == 1 else hashlib.sha256(lines.encode()).hexdigest()
    tokenizer = folder / TOKENIZER
    of_tokenizer = _sha256(tokenizer) if tokenizer.is_file() else None
    return ModelFiles(name, of_weights, _sha256(folder / CONFIG), of_tokenizer)


def hash_shards(folder: Path) -> str:
    """Return the sha256 of the manifest of a folder of shards.

    Raises:
        RunError: there is none, or it cannot be read.
    """
    return _sha256(folder / MANIFEST)


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}") from None
