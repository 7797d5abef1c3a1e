"""Define the settings of the probes: sections index and fill_mask to report of params.yaml."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from wikilm.params import DEFAULT_PARAMS, Section, built_in, checked, read_params, section

MASK = "[MASK]"  # how a text names its blank, whatever the tokenizer calls its own mask token
BLANKS = (MASK, "<mask>")  # ... and as RoBERTa and its kin write it; a tokenizer's own mask token is a blank too

DEVICES = ("auto", "cpu", "cuda")
DTYPES = ("auto", "float32", "bfloat16", "float16")


COLDEST = 0.01  # a temperature below makes infinities of logits


@dataclass(frozen=True)
class Machine:
    """Where a model computes, and in which numbers: said on the command line, since it is no parameter of a stage."""

    device: Literal["auto", "cpu", "cuda"] = "auto"  # auto: a CUDA device where there is one
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"  # auto: as the weights are stored


ANY_MACHINE = Machine()


# Lists come from YAML as lists: taken as tuples, so that settings stay frozen.
Texts = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False, min_length=1)]
Words = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)]
Lengths = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False, min_length=1)]


class FillMaskSettings(Section):
    """Which blanks are filled, and how many masked places are tried (section `fill_mask`)."""

    texts: Texts = Field(default=(f"Life is like a {MASK} of chocolates.",), description=f"texts with {MASK} in them")
    top_k: int = Field(default=5, ge=1, le=1000, description="candidates shown for each blank")
    candidates: int | None = Field(
        default=None,
        ge=1,
        description="words that a causal model scores in the whole text; null: all that fit, of large models fewer",
    )
    words: Words = Field(default=(), description="words of any number of tokens, scored and shown whatever their rank")
    files: tuple[str, ...] = Field(
        default=("known", "unknown"), strict=False, description="statements with answers: own ones, or paths of files"
    )
    masked_fraction: float = Field(default=0.15, gt=0, le=1, description="share of a row's tokens that is masked")
    rows: int | None = Field(default=256, ge=1, description="rows tried in each split; null: all")
    seed: int = Field(default=0, ge=0, description="decides which rows and which places")

    @field_validator("texts")
    @classmethod
    def _have_blanks(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        for text in texts:
            if not re.search(r"[\[<]\W*\w*mask\w*\W*[\]>]", text, re.IGNORECASE):  # a model may have a token of its own
                raise ValueError(f"{text!r} has no {MASK}: write {MASK} where the blank is")
        return texts


class GenerationSettings(Section):
    """Which prompts are continued (section `generation`)."""

    prompts: Texts = Field(default=("Swimming at the beach is",), description="texts to continue")
    max_new_tokens: int = Field(default=16, ge=1, le=100000, description="tokens to add at most")
    shown: int = Field(default=5, ge=1, le=1000, description="candidates shown at each step")
    temperature: float = Field(default=0.0, ge=0, le=100, description="0: the likeliest token; more: drawn")
    top_k: int | None = Field(default=None, ge=1, description="draw from so many likeliest tokens; null: from all")
    top_p: float | None = Field(default=None, gt=0, le=1, description="draw from the fewest that hold this probability")
    seed: int = Field(default=0, ge=0, description="decides what is drawn, for each prompt by itself")

    @field_validator("temperature")
    @classmethod
    def _is_greedy_or_finite(cls, temperature: float) -> float:
        if 0 < temperature < COLDEST:
            raise ValueError(f"must be 0, for the likeliest token, or at least {COLDEST}")
        return temperature


class RecitationSettings(Section):
    """How recitation is measured (section `recitation`)."""

    prefix: int = Field(default=16, ge=1, description="tokens of a row that the model is given")
    continuation: int = Field(default=16, ge=1, description="tokens that it has to add")
    prefix_lengths: Lengths = Field(
        default=(1, 2, 4, 8, 16, 32, 64, 96), description="prefix lengths of the curve, in tokens"
    )
    continuation_lengths: Lengths = Field(
        default=(8, 16, 32, 64), description="continuation lengths of the other curve, in tokens"
    )
    rows: int | None = Field(default=None, ge=1, description="rows tried in each split, a seeded sample; null: all")
    curve_rows: int | None = Field(default=128, ge=1, description="of them, rows tried for each length; null: all")
    canary_references: int = Field(
        default=1023, ge=1, le=1_000_000, description="other secrets that each canary's is ranked among"
    )
    examples: int = Field(default=4, ge=0, le=1000, description="rows of each split shown side by side")
    batch_rows: int = Field(default=128, ge=1, description="rows decoded at a time")
    seed: int = Field(default=0, ge=0, description="decides the sample of rows, the places in them, and the bootstrap")

    @model_validator(mode="after")
    def _lengths_rise(self) -> Self:
        for name in ("prefix_lengths", "continuation_lengths"):
            lengths = getattr(self, name)
            if list(lengths) != sorted(set(lengths)):
                raise ValueError(f"{name} must rise, got {list(lengths)}")
        return self


class IndexSettings(Section):
    """How the index of the shards is cut (section `index`)."""

    part_tokens: int = Field(
        default=1 << 28, ge=1, le=1 << 31, description="tokens sorted together; each takes some 12 bytes of memory"
    )


class TraceSettings(Section):
    """Which runs of a text are traced to the rows (section `trace`)."""

    min_tokens: int = Field(default=8, ge=1, description="tokens of the shortest run that is told")
    places: int = Field(default=3, ge=1, le=1000, description="places told of each run in each split")
    ngrams: int = Field(default=8, ge=1, le=1000, description="tokens of the longest n-gram that is counted as new")
    max_new_tokens: int = Field(default=32, ge=1, le=100000, description="tokens that a prompt is continued by at most")
    validation_rows: int = Field(default=64, ge=0, description="validation rows whose novelty is the yardstick")


class CurvesSettings(Section):
    """What every checkpoint is asked (section `curves`)."""

    rows: int | None = Field(default=128, ge=1, description="rows tried in each split, a seeded sample; null: all")
    masked_fraction: float = Field(default=0.15, gt=0, le=1, description="share of a row's tokens that is hidden")
    prefix: int = Field(default=16, ge=1, description="tokens of a row that a causal model is given")
    continuation: int = Field(default=16, ge=1, description="tokens that it has to add")
    cloze: str = Field(default=f"Life is like a {MASK} of chocolates.", description=f"text with {MASK} in it")
    top_k: int = Field(default=5, ge=1, le=1000, description="candidates shown for its blank")
    candidates: int | None = Field(
        default=None, ge=1, description="words that a causal model scores by the whole text; null: as for fill_mask"
    )
    prompt: str = Field(default="The lighthouse", min_length=1, description="text that a causal model continues")
    max_new_tokens: int = Field(default=16, ge=1, le=100000, description="tokens to add to it at most")
    batch_rows: int = Field(default=64, ge=1, description="rows decoded at a time")
    seed: int = Field(default=0, ge=0, description="decides the rows, the hidden tokens and the bootstrap")

    @field_validator("cloze")
    @classmethod
    def _has_a_blank(cls, text: str) -> str:
        if MASK not in text:
            raise ValueError(f"{text!r} has no {MASK}: write {MASK} where the blank is")
        return text


class ReportSettings(Section):
    """The title and the sample text of the page (section `report`)."""

    title: str = Field(default="What two small language models know", min_length=1, description="heading of the page")
    sample: str = Field(
        default="Life is like a box of chocolates.", min_length=1, description="text whose tokens are shown"
    )


S = TypeVar("S", bound=Section)


def load_settings(
    path: Path | None,
    key: str,
    settings: type[S],
    overrides: dict[str, Any],
    flags: Mapping[str, str] | None = None,
) -> S:
    """Settings of one probe: flags first, then the params file, then what is built in.

    A probe asks any model anywhere, so that the params.yaml of the current folder may be another project's: without
    `path`, it is read where it has the section. `flags` says, without hyphens, which flag a key is from where the two
    differ.

    Raises:
        UsageError: a wrong value or key, named with its flag or its place in the file.
    """
    if path is not None or not DEFAULT_PARAMS.is_file() or key in read_params(DEFAULT_PARAMS):
        return section(path, key, settings, overrides, flags)
    return checked(built_in()[key], key, settings, overrides, "built-in params", flags)
