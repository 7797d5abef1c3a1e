"""Read and write the manifest: where a set of shards comes from, what it holds, and the hash of every file."""

import hashlib
import json
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
)

from wikilm.errors import RunError, first_fault
from wikilm.shards.format import CANARY_SHARD

FORMAT = 3
EMPTY_TEXT, NOT_TAKEN = "empty_text", "not_taken"
REPEATED = "repeated"  # the reason of a page that a newer revision of the same page is in the source for
NOT_IN_SHARE = "not_in_share"  # the reason of an article that is beyond the share of its source
DUPLICATE, NEAR_DUPLICATE = "duplicate", "near_duplicate"  # of another article, which is kept
COPIES = (DUPLICATE, NEAR_DUPLICATE)
# Why an article is in no shard; all other reasons are those of pages.
ARTICLE_REASONS = (EMPTY_TEXT, NOT_TAKEN, NOT_IN_SHARE, *COPIES)


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
    """One shard: the rows of one work unit in one split."""

    split: Literal["train", "validation"]
    unit: int = Field(ge=0, description="number of the work unit, in the order of the source")
    rows: int = Field(ge=0)
    tokens: int = Field(ge=0, description="rows x chunk_tokens")


class SourceFileEntry(_Record):
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
    kind: Literal[
        "multistream", "xml", "xml.bz2", "xml.gz", "xml.xz", "xml.zst",
        "jsonl", "jsonl.bz2", "jsonl.gz", "jsonl.xz", "jsonl.zst", "parquet", "mixture",
    ]  # fmt: skip
    bytes: int = Field(ge=0, description="size of all its files, as stored")
    checksum: str = Field(description="of its file or commit; of several files the sha256 of what `sha256sum` prints")
    units: int = Field(ge=0)
    files: list[SourceFileEntry] = Field(description="in the order in which they are read")


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
    namespaces: list[int] | None = Field(default=None, description="of the articles; left out where it is [0]")
    templates: dict[str, str] | None = Field(default=None, description="name -> known template; left out without any")
    template_redirects: bool | None = Field(default=None, description="whether they count; left out where they do not")
    formulas: str | None = Field(default=None, description='"tex" where they stay as TeX; left out where they go')
    columns: dict[str, str] | None = Field(
        default=None,
        description="columns of a table that are not called as usual; left out where there are none, "
        "and of a mixture, whose wikis have them",
    )


class TokenizerEntry(_Record):
    """Which tokenizer made the ids."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of its tokenizer.json")
    vocab_size: int = Field(gt=0, description="number of entries, special ones included: every id is below it")
    end_of_text_id: int = Field(ge=0)
    mask_id: int = Field(ge=0)


class Counts(_Record):
    """The ledger: where every page, article and token went. Sums are asserted when it is written (see ledger.py)."""

    pages: int = Field(ge=0, description="of the source: articles + redirects + pages left out by page reasons")
    articles: int = Field(ge=0, description="pages of the namespaces of articles that are no redirects")
    redirects: int = Field(ge=0, description="redirects in the namespaces of articles")
    left_out: dict[str, int] = Field(description="reason -> pages or articles that are in no shard, redirects aside")
    dead_letters: int = Field(ge=0, description="articles that could not be read, parsed or cleaned")
    train_articles: int = Field(ge=0)
    validation_articles: int = Field(ge=0)
    text_bytes: int = Field(ge=0, description="UTF-8 bytes of the clean text of the articles in the shards")
    tokens: int = Field(ge=0, description="ids that the tokenizer gave for it, and end-of-text ids")
    train_chunks: int = Field(ge=0)
    validation_chunks: int = Field(ge=0)
    tail_tokens: int = Field(ge=0, description="tokens less chunk_tokens x (train_chunks + validation_chunks)")
    unknown_tags: int = Field(
        default=0, ge=0, description="of extensions that are not known, taken out of the texts; left out where it is 0"
    )
    canaries: int = Field(
        default=0,
        ge=0,
        description="copies of made-up sentences in the train shards, no articles; left out where it is 0",
    )

    @model_serializer(mode="wrap")
    def _without_zeros(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = serialize(self)
        for name in ("unknown_tags", "canaries"):
            if not content.get(name):
                content.pop(name, None)
        return content


class SplitEntry(_Record):
    """How articles were split."""

    seed: int
    validation_fraction: float
    take: list[int] | None


class WikiEntry(_Record):
    """One of the wikis that a set of shards is made of."""

    wiki: str = Field(description="as its database is called, such as enwiki; may be empty where it is the only one")
    share: float = Field(ge=0, le=1, description="of its articles that was taken, those with the smallest digests")
    source: SourceEntry
    site: SiteEntry
    counts: Counts = Field(description="its line of the ledger; of tokens in rows and tails, those of its units")
    columns: dict[str, str] | None = Field(
        default=None, description="as `limits.columns`; of several, each has its own"
    )


class NearEntry(_Record):
    """What makes two articles near duplicates: settings of section `shards`."""

    threshold: float = Field(description="share of common n-grams")
    ngram: int = Field(description="characters of an n-gram")
    permutations: int = Field(description="MinHash values of an article")
    bands: int


class DeduplicationEntry(_Record):
    """How articles were compared, of which one of each group of copies is kept."""

    form: Literal["exact", "near"]
    near: NearEntry | None = Field(description="null where the form is exact")


class CanaryEntry(_Record):
    """A made-up sentence that was planted: `before`, `secret` and `after` in one."""

    before: str
    secret: str = Field(pattern="^( [0-9])+$", description="drawn digits, which nothing in the source can tell")
    after: str
    times: int = Field(gt=0, description="copies in the split train")

    @property
    def text(self) -> str:
        """The whole sentence."""
        return self.before + self.secret + self.after


class Manifest(_Record):
    """All that a reader needs to trust a folder of shards."""

    format: Literal[3] = 3
    version: str = Field(description="of wikilm")
    source: SourceEntry = Field(description="what was read; of several sources their sums, files aside")
    site: SiteEntry = Field(description="whose wiki it is; of several nothing is said here")
    mixture: list[WikiEntry] | None = Field(
        default=None, description="the wikis, in the order of their units; left out where it is all of a single one"
    )
    limits: LimitsEntry
    tokenizer: TokenizerEntry
    split: SplitEntry
    chunk_tokens: int = Field(gt=0)
    chunking: Literal["pack", "document"]
    deduplication: DeduplicationEntry | None = Field(default=None, description="left out where there is none")
    canaries: list[CanaryEntry] | None = Field(default=None, description="left out where none are planted")
    counts: Counts
    shards: list[ShardEntry]
    articles: list[FileEntry] = Field(description="which articles are in each shard: one file for each, in their order")
    files: list[FileEntry] = Field(description="all else: what `datasets` reads, dead_letters.jsonl and README.md")

    @property
    def wikis(self) -> list[WikiEntry]:
        """What is known of each wiki, also where there is one."""
        if self.mixture is not None:
            return self.mixture
        columns = self.limits.columns
        return [WikiEntry(wiki="", share=1.0, source=self.source, site=self.site, counts=self.counts, columns=columns)]

    @property
    def names_wikis(self) -> bool:
        """Whether rows and tables of articles have a column `wiki`: there are several."""
        return self.mixture is not None and len(self.mixture) > 1

    @property
    def entries(self) -> list[FileEntry]:
        """Every file that there must be, the manifest itself aside."""
        return [*self.shards, *self.articles, *self.files]

    def shards_of(self, split: str) -> list[ShardEntry]:
        """Return the shards of one split, in order."""
        return [shard for shard in self.shards if shard.split == split]

    def row_count(self, split: str) -> int:
        """Return the number of rows of one split."""
        return sum(shard.rows for shard in self.shards_of(split))

    def article_rows(self, split: str) -> int:
        """Return how many rows of one split are of articles: all, but for those of canaries at the end of train."""
        return sum(shard.rows for shard in self.shards_of(split) if shard.path != CANARY_SHARD)


class _Stored(Manifest):
    """A manifest as it is stored: with the sha256 of itself, so that no bit of it can change unnoticed."""

    sha256: str = Field(description="of these bytes as they are without this entry")


class _AnyFormat(BaseModel):
    """What every version's manifest has."""

    format: int


def parse_manifest(data: bytes, path: str) -> Manifest:
    """Parse the manifest that these bytes of `path` are.

    Raises:
        RunError: they do not hold what they must, or were changed since they were written.
    """
    _refuse_other_formats(path, data)
    try:
        stored = _Stored.model_validate_json(data)
    except ValidationError as error:
        raise RunError(
            f"{path}: not a manifest that this version reads: {first_fault(error)}; make the shards again"
        ) from None
    manifest = Manifest(**{name: getattr(stored, name) for name in Manifest.model_fields})
    if manifest_bytes(manifest) != data:
        raise RunError(f"{path}: damaged, or edited: its own sha256 is of something else; make the shards again")
    return manifest


def _refuse_other_formats(path: str, data: bytes) -> None:
    try:
        found = _AnyFormat.model_validate_json(data).format
    except ValidationError:
        return  # and let the whole check say what is wrong
    if found != FORMAT:
        which = "an earlier" if found < FORMAT else "a later"
        raise RunError(
            f"{path}: made by {which} version of wikilm (format {found}; this one reads {FORMAT}); make the shards"
            " again with python -m pipeline"
        )


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return the manifest as it is stored, its own sha256 last: the same bytes for the same content."""
    content = manifest.model_dump()
    content["limits"] = {name: value for name, value in content["limits"].items() if value is not None}
    for name in ("mixture", "deduplication", "canaries"):
        if content[name] is None:
            del content[name]
    for entry in content.get("mixture", ()):
        if entry["columns"] is None:
            del entry["columns"]
    return _json(content | {"sha256": hashlib.sha256(_json(content)).hexdigest()})


def _json(content: dict[str, object]) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
