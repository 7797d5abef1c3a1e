"""Say what an index is of: the shards by their hashes, and each of its own files by its hash."""

import hashlib
import json
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from probes.trace.suffixes import id_bytes
from wikilm.errors import RunError, first_fault
from wikilm.shards import FileEntry, Manifest

FILE = "manifest.json"
PLACE_BYTES = 4


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PartEntry(_Record):
    """A stretch of a split's rows, sorted by itself."""

    split: Literal["train", "validation"]
    first_row: int = Field(ge=0, description="of the split")
    rows: int = Field(gt=0)
    tokens: FileEntry = Field(description="the ids of its rows, each of 2 or 4 bytes, the highest first")
    places: FileEntry = Field(description="where they stand, sorted by what follows: uint32, the lowest byte first")


class IndexManifest(_Record):
    """All that a reader needs to trust an index."""

    format: Literal[1] = 1
    shards: str = Field(pattern="^[0-9a-f]{64}$", description="sha256 of what `sha256sum` prints of the shards")
    tokenizer: str = Field(pattern="^[0-9a-f]{64}$", description="sha256 of the tokenizer.json that made the ids")
    vocab_size: int = Field(gt=0)
    chunk_tokens: int = Field(gt=0)
    parts: list[PartEntry]

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        next_row = {"train": 0, "validation": 0}
        for part in self.parts:
            tokens = part.rows * self.chunk_tokens
            if part.tokens.bytes != tokens * id_bytes(self.vocab_size) or part.places.bytes != tokens * PLACE_BYTES:
                raise ValueError(f"{part.tokens.path}: rows and bytes do not fit")
            if part.first_row != next_row[part.split]:
                raise ValueError(f"{part.tokens.path}: does not start where the part before ends")
            next_row[part.split] += part.rows
        return self

    @property
    def files(self) -> list[FileEntry]:
        """Every file of the index but the manifest."""
        return [file for part in self.parts for file in (part.tokens, part.places)]


class _Stored(IndexManifest):
    sha256: str = Field(description="of these bytes as they are without this entry")


def digest_of(manifest: Manifest) -> str:
    """Return a digest of the shards that a manifest lists: of their paths and hashes, and so of every row."""
    lines = "".join(f"{shard.sha256}  {shard.path}\n" for shard in manifest.shards)
    return hashlib.sha256(lines.encode()).hexdigest()


def manifest_bytes(manifest: IndexManifest) -> bytes:
    """Return the manifest as it is stored, its own sha256 last."""
    content = manifest.model_dump()
    return _json(content | {"sha256": hashlib.sha256(_json(content)).hexdigest()})


def read_index_manifest(folder: Path) -> IndexManifest:
    """Read the manifest of an index.

    Raises:
        RunError: there is none, or it is damaged or of another version.
    """
    path, again = folder / FILE, "make the index again with python -m probes index"
    try:
        data = path.read_bytes()
        stored = _Stored.model_validate_json(data)
    except FileNotFoundError:
        raise RunError(f"{path}: no such file, so {folder} holds no index; {again}") from None
    except OSError as error:
        raise RunError(f"{path}: cannot read it: {error.strerror or error}") from None
    except ValidationError as error:
        raise RunError(
            f"{path}: not the manifest of an index that this version reads: {first_fault(error)}; {again}"
        ) from None
    manifest = IndexManifest(**{name: getattr(stored, name) for name in IndexManifest.model_fields})
    if manifest_bytes(manifest) != data:
        raise RunError(f"{path}: damaged, or edited: its own sha256 is of something else; {again}")
    return manifest


def _json(content: dict[str, object]) -> bytes:
    return (json.dumps(content, indent=1) + "\n").encode()
