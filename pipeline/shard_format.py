"""The contract between pipeline and train: Arrow schema, file names, manifest. Needs pyarrow and pydantic only.

DIR/manifest.json                                written last: what it does not list does not exist; see `_Stored`
DIR/{train,validation}/data-00000-of-00012.arrow Arrow IPC streams, one per work unit
DIR/{train,validation}/{state,dataset_info}.json what makes `datasets.load_from_disk(DIR/train)` work
DIR/dataset_dict.json                            what makes `datasets.load_from_disk(DIR)` give both splits
DIR/articles/train-00000-of-00012.arrow          the articles of each shard, in order (see `articles_schema`)
DIR/dead_letters.jsonl                           pages that could not be read, with the reason; one empty line if none
DIR/README.md                                    the dataset card: what this is, for people and for the hub
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from wikilm.errors import RunError

SPLITS = ("train", "validation")
MANIFEST = "manifest.json"
ARTICLES = "articles"
DATASET_DICT = "dataset_dict.json"
DEAD_LETTERS = "dead_letters.jsonl"
CARD = "README.md"
FORMAT = 3


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class FileEntry(_Record):
    """One file that the manifest vouches for."""

    path: str = Field(description="relative to the manifest, with forward slashes")
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        # A manifest is input like any other: it must not make a reader open what lies outside its folder.
        parts = PurePosixPath(path)
        if parts.is_absolute() or ".." in parts.parts or "\\" in path or not path:
            raise ValueError(f"path leaves the folder: {path!r}")
        return path


class ShardEntry(FileEntry):
    """One shard: the rows of one work unit on one side of the split."""

    split: Literal["train", "validation"]
    unit: int = Field(ge=0, description="number of the work unit, in the order of the source")
    rows: int = Field(ge=0)
    tokens: int = Field(ge=0, description="rows x chunk_tokens")


class SourceFile(_Record):
    """One file of the source."""

    name: str = Field(description="relative to the source's folder, with forward slashes")
    bytes: int = Field(ge=0)
    checksum: str = Field(
        description="'sha256:…' of its bytes; of a remote file what its server or listing says: 'sha256:…', 'sha1:…', "
        "'revision:…' (a commit of the hub), 'etag:…', 'modified:…' or 'ukey:…' (fsspec's)"
    )


class SourceEntry(_Record):
    """What was read: enough to know it again."""

    name: str = Field(description="of the file or folder, without its path, which differs between machines")
    kind: Literal["multistream", "xml", "xml.bz2", "xml.gz", "parquet"]
    bytes: int = Field(ge=0, description="size of all its files, as stored")
    checksum: str = Field(description="of its file or commit; of several files the sha256 of what `sha256sum` prints")
    units: int = Field(ge=0)
    files: list[SourceFile] = Field(description="in the order in which they are read")


class SiteEntry(_Record):
    """Whose wiki it is, as far as the source says."""

    language: str | None
    name: str
    database: str
    base: str = Field(description="address of one of its pages, from which those of all others are made; may be empty")


class LimitsEntry(_Record):
    """How the source was cut, and which pages were too much: settings of section `source` that decide the bytes."""

    unit_bytes: int
    max_page_bytes: int
    max_page_seconds: float


class TokenizerEntry(_Record):
    """Which tokenizer made the ids."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of its tokenizer.json")
    vocab_size: int = Field(gt=0, description="number of entries, special ones included: every id is below it")
    end_of_text_id: int = Field(ge=0)
    mask_id: int = Field(ge=0)


class Counts(_Record):
    """The ledger: where every page, article and token went. Sums are asserted when it is written (see ledger.py)."""

    pages: int = Field(ge=0, description="of the source: articles + redirects + pages left out by page reasons")
    articles: int = Field(ge=0, description="pages of namespace 0 without <redirect>")
    redirects: int = Field(ge=0, description="pages of namespace 0 with <redirect>")
    left_out: dict[str, int] = Field(description="reason -> pages or articles that are in no shard, redirects aside")
    dead_letters: int = Field(ge=0, description="articles that could not be read, parsed or cleaned")
    train_articles: int = Field(ge=0)
    validation_articles: int = Field(ge=0)
    text_bytes: int = Field(ge=0, description="UTF-8 bytes of the clean text of the articles in the shards")
    tokens: int = Field(ge=0, description="ids that the tokenizer gave for it, and end-of-text ids")
    train_chunks: int = Field(ge=0)
    validation_chunks: int = Field(ge=0)
    tail_tokens: int = Field(ge=0, description="tokens less chunk_tokens x (train_chunks + validation_chunks)")


class SplitEntry(_Record):
    """How articles were split."""

    seed: int
    validation_fraction: float
    take: list[int] | None


class Manifest(_Record):
    """All that a reader needs to trust a folder of shards."""

    format: Literal[3] = 3
    version: str = Field(description="of wikilm")
    source: SourceEntry
    site: SiteEntry
    limits: LimitsEntry
    tokenizer: TokenizerEntry
    split: SplitEntry
    chunk_tokens: int = Field(gt=0)
    chunking: Literal["pack", "document"]
    counts: Counts
    shards: list[ShardEntry]
    articles: list[FileEntry] = Field(description="which articles are in each shard: one file for each, in their order")
    files: list[FileEntry] = Field(description="all else: what `datasets` reads, dead_letters.jsonl and README.md")

    @property
    def entries(self) -> list[FileEntry]:
        """Every file that there must be, the manifest itself aside."""
        return [*self.shards, *self.articles, *self.files]

    def of(self, split: str) -> list[ShardEntry]:
        """The shards of one split, in order."""
        return [shard for shard in self.shards if shard.split == split]

    def rows(self, split: str) -> int:
        """Number of rows of one split."""
        return sum(shard.rows for shard in self.of(split))


class _Stored(Manifest):
    """A manifest as it is stored: with the sha256 of itself, so that no bit of it can change unnoticed."""

    sha256: str = Field(description="of these bytes as they are without this entry")


def id_type(vocab_size: int) -> pa.DataType:
    """uint16 where every id below `vocab_size` fits, uint32 elsewhere."""
    return pa.uint16() if vocab_size <= 2**16 else pa.uint32()


def schema(chunk_tokens: int, vocab_size: int) -> pa.Schema:
    """Columns of a shard: `input_ids` fixed_size_list[chunk_tokens], `page_id` int64 of the article a row starts in."""
    ids = pa.list_(pa.field("item", id_type(vocab_size), nullable=False), chunk_tokens)
    return pa.schema([pa.field("input_ids", ids, nullable=False), pa.field("page_id", pa.int64(), nullable=False)])


def shard_name(split: str, unit: int, units: int) -> str:
    """Path of a shard within its folder, as `datasets` names them."""
    return f"{split}/data-{unit:05d}-of-{units:05d}.arrow"


def articles_schema() -> pa.Schema:
    """Columns of an articles table: who is in one shard, in the order of the source.

    `tokens` counts the ids that the article put into the stream: with its end-of-text where `chunking` is pack, and
    those that filled no row too. `revision_id` is 0 where the source does not say.
    """
    columns = {"page_id": pa.int64(), "revision_id": pa.int64(), "title": pa.string(), "tokens": pa.int64()}
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in columns.items()])


def articles_name(split: str, unit: int, units: int) -> str:
    """Path of the articles table that belongs to a shard, within the same folder."""
    return f"{ARTICLES}/{split}-{unit:05d}-of-{units:05d}.arrow"


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def parse_manifest(data: bytes, path: str) -> Manifest:
    """The manifest that these bytes of `path` are.

    Raises:
        RunError: they do not hold what they must, or were changed since they were written.
    """
    _refuse_other_formats(path, data)
    try:
        stored = _Stored.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        detail = f"{'.'.join(map(str, first['loc'])) or 'file'}: {first['msg']}"
        raise RunError(f"{path}: not a manifest that this version reads: {detail}; make the shards again") from None
    manifest = Manifest(**{name: getattr(stored, name) for name in Manifest.model_fields})
    if manifest_bytes(manifest) != data:
        raise RunError(f"{path}: damaged, or edited: its own sha256 is of something else; make the shards again")
    return manifest


def _refuse_other_formats(path: str, data: bytes) -> None:
    class Any(BaseModel):
        format: int

    try:
        found = Any.model_validate_json(data).format
    except ValidationError:
        return  # and let the whole check say what is wrong
    if found != FORMAT:
        which = "an earlier" if found < FORMAT else "a later"
        raise RunError(
            f"{path}: made by {which} version of wikilm (format {found}; this one reads {FORMAT}); make the shards"
            " again with python -m pipeline"
        )


def manifest_bytes(manifest: Manifest) -> bytes:
    """The manifest as it is stored, its own sha256 last: the same bytes for the same content."""
    content = manifest.model_dump()
    return _json(content | {"sha256": hashlib.sha256(_json(content)).hexdigest()})


def _json(content: dict[str, object]) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def problems(folder: Path, manifest: Manifest, *, hashes: bool) -> Iterator[tuple[str, str]]:
    """What in `folder` is not as the manifest says, as (path, problem); with `hashes`, every byte is read.

    Without `hashes` only presence and size are compared, which is what a training run can afford at its start.
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


def open_shard(folder: Path, manifest: Manifest, entry: ShardEntry) -> pa.Table:
    """The rows of one shard, memory-mapped; columns as in `schema`.

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
    expected = schema(manifest.chunk_tokens, manifest.tokenizer.vocab_size)
    if size != entry.bytes or table.num_rows != entry.rows or table.schema.remove_metadata() != expected:
        raise RunError(f"{path}: not the shard that {MANIFEST} names; run python -m pipeline.verify {folder}")
    return table.replace_schema_metadata(None)


def open_split(folder: Path, manifest: Manifest, split: str) -> pa.Table:
    """All rows of one split, memory-mapped, in the order of the manifest; columns as in `schema`.

    Raises:
        RunError: a shard of it cannot be opened (see `open_shard`).
    """
    tables = [open_shard(folder, manifest, entry) for entry in manifest.of(split)]
    columns = schema(manifest.chunk_tokens, manifest.tokenizer.vocab_size)
    return pa.concat_tables(tables) if tables else columns.empty_table()


def token_rows(ids: pa.FixedSizeListArray) -> Any:
    """A chunk of the column `input_ids` as a numpy array of uint16 or uint32 [rows, chunk_tokens], without a copy.

    By DLPack, since pyarrow's own `flatten` and `to_numpy` import pandas and all compute functions.
    """
    tokens = ids.type.list_size
    return np.from_dlpack(ids.values)[ids.offset * tokens : (ids.offset + len(ids)) * tokens].reshape(-1, tokens)
