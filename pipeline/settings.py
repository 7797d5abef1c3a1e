"""Check the pipeline's sections of params.yaml: source, split, tokenizer, shards."""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from wikilm.params import Section

ColumnName = Literal["id", "title", "text", "url", "revision", "timestamp"]
ColumnNames = dict[ColumnName, Annotated[str, Field(pattern=r"^[^,\x00-\x1f]+$")]]


class Member(Section):
    """One source of several (an entry of `source.mixture`): a text is its path alone."""

    path: str = Field(min_length=1, description="as `source.path`, an address too")
    share: float = Field(default=1.0, ge=0, le=1, description="of its articles, those with the smallest digests")
    wiki: str | None = Field(default=None, min_length=1, description="what its wiki is called, where it does not say")
    columns: ColumnNames | None = Field(default=None, description="of this one, instead of `source.columns`")

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, given: Any) -> Any:
        return {"path": given} if isinstance(given, str) else given


class SourceSettings(Section):
    """Where articles come from (section `source`)."""

    path: str = Field(
        min_length=1,
        description="a dump, Parquet or jsonl: a file, a folder, an address or wikimedia:WIKI/DATE",
    )
    address: str | None = Field(
        default=None, min_length=1, description="a source elsewhere, taken instead of path, which DVC hashes"
    )
    mixture: Annotated[tuple[Member, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None,
        description="several sources, each of another wiki, instead of path: paths, or path, share, wiki, columns",
    )
    unit_bytes: int = Field(
        gt=0, description="about how many bytes of the source, as stored, make one unit and so one shard"
    )
    contact: str | None = Field(
        default=None, min_length=3, description="mail or web address that servers are told; needed for http(s) sources"
    )
    mirror: str = Field(
        default="https://dumps.wikimedia.org", pattern="^https?://", description="where wikimedia: names are looked up"
    )
    max_page_bytes: int = Field(
        default=10_000_000,
        ge=4096,
        description="a larger page is a dead letter: its XML in a dump, its text in Parquet and jsonl",
    )
    max_page_seconds: float = Field(
        default=60.0, gt=0, description="a page that takes more CPU time to clean is a dead letter"
    )

    namespaces: Annotated[tuple[int, ...], Field(strict=False, min_length=1)] = Field(
        default=(0,), description="pages of these are articles: 0 on Wikipedia; Wikisource keeps its prose in 104, too"
    )
    templates: dict[str, str] | None = Field(
        default=None,
        description="names of templates in this wiki -> the known template, or pattern, that each is",
    )
    template_redirects: bool = Field(
        default=False,
        description="first look through the whole dump for redirects to known templates",
    )
    formulas: Literal["drop", "tex"] = Field(
        default="drop", description="drop: formulas leave no trace; tex: they stay as their TeX source, as $x^2$"
    )
    columns: ColumnNames = Field(
        default={},
        description="columns of Parquet and jsonl that are called otherwise, such as text: content; id, title, text "
        "and url by default, revision and timestamp where they are named here; in a mixture of those that name none",
    )

    _named_by: str = PrivateAttr("source.path")

    @model_validator(mode="before")
    @classmethod
    def _address_instead_of_path(cls, given: Any) -> Any:
        """Put `address` in the place of `path`, for which all readers ask; two keys, since DVC needs a file to hash."""
        if isinstance(given, Mapping) and isinstance(given.get("address"), str):
            return {**given, "path": given["address"]}
        return given

    @model_validator(mode="after")
    def _names_no_source_twice(self) -> Self:
        if self.mixture is not None and self.address is not None:
            raise ValueError("address and mixture are both set; leave one of them empty")
        for path, times in Counter(member.path for member in self.members).items():
            if times > 1:
                raise ValueError(f"{path} is named twice in a mixture; name each source once")
        return self

    def model_post_init(self, context: Any) -> None:
        """Say which key has named what is read."""
        if self.mixture is not None or self.address is not None:
            self._named_by = "source.mixture" if self.mixture is not None else "source.address"

    @property
    def named_by(self) -> str:
        """The key or flag that has named what is read, for errors."""
        return self._named_by

    def from_flag(self, flag: str) -> "SourceSettings":
        """Return the same settings, whose sources a flag has named."""
        named = self.model_copy()
        named._named_by = flag
        return named

    @property
    def members(self) -> tuple[Member, ...]:
        """The sources that are read, in their order: those of `mixture`, or the one of `path`."""
        return self.mixture or (Member(path=self.path),)

    def of(self, member: Member) -> "SourceSettings":
        """Return the settings of one of the sources alone, without its share."""
        columns = self.columns if member.columns is None else member.columns
        return self.model_copy(update={"path": member.path, "columns": columns, "address": None, "mixture": None})


class SplitSettings(Section):
    """Which articles are for training and which for validation (section `split`)."""

    seed: int = Field(ge=0, description="part of the digest that decides an article's split")
    validation_fraction: float = Field(
        ge=0, lt=1, description="share of the articles that is held back, from 0 to below 1"
    )
    take: Annotated[tuple[int, int], Field(strict=False)] | None = Field(
        default=None,
        description="keep this many train and validation articles, those with the smallest digests; null: all",
    )

    @model_validator(mode="after")
    def _take_is_possible(self) -> Self:
        if self.take is not None and (min(self.take) < 0 or max(self.take) == 0):
            raise ValueError(f"take must be two counts, not both 0, got {list(self.take)}")
        return self


class TokenizerSettings(Section):
    """How the tokenizer is made (section `tokenizer`): trained here, or an existing one."""

    vocab_size: int | None = Field(default=None, ge=258, description="entries of a newly trained byte-level BPE")
    pretrained: str | None = Field(default=None, min_length=1, description="a folder or a hub name to take instead")
    sample: int | None = Field(
        default=None, ge=1, description="train it on this many training articles, those with the smallest digests"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.sample is not None and self.pretrained is not None:
            raise ValueError("sample is for a new tokenizer (vocab_size), not for a pretrained one")
        if (self.vocab_size is None) == (self.pretrained is None):
            raise ValueError(
                "set one of vocab_size (train a new tokenizer) and pretrained (take an existing one), not both"
            )
        return self


class ShardsSettings(Section):
    """How token ids become rows and files (section `shards`)."""

    chunk_tokens: int = Field(ge=8, le=65536, description="tokens per row")
    chunking: Literal["pack", "document"] = Field(
        description="pack: one stream, nothing lost; document: each article alone"
    )
    max_dead_fraction: float = Field(
        ge=0, le=1, description="the run fails when more than this share of articles cannot be read"
    )
    deduplicate: Literal["none", "exact", "near"] = Field(
        default="none", description="leave out articles that are copies of others; near: or nearly copies"
    )
    canaries: int = Field(
        default=0, ge=0, le=1000, description="made-up sentences planted each number of times; 0: none"
    )
    canary_times: Annotated[tuple[Annotated[int, Field(ge=1, le=100_000)], ...], Field(strict=False, min_length=1)] = (
        Field(default=(1, 4, 16, 64), description="how often these are planted into the split train")
    )
    near_threshold: float = Field(
        default=0.8, gt=0, le=1, description="share of common n-grams (Jaccard) that makes two articles near duplicates"
    )
    near_ngram: int = Field(default=13, ge=1, le=1000, description="characters of an n-gram")
    near_permutations: int = Field(default=120, ge=1, le=1024, description="MinHash values of an article")
    near_bands: int = Field(default=20, ge=1, le=1024, description="bands of these; a pair that has one is compared")

    @model_validator(mode="after")
    def _bands_are_equal(self) -> Self:
        if self.near_permutations % self.near_bands:
            raise ValueError(
                f"near_permutations ({self.near_permutations}) must be a multiple of near_bands ({self.near_bands})"
            )
        return self
