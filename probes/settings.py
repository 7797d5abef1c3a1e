"""Define the settings of the probes: sections fill_mask, generation, recitation, curves and report of params.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from wikilm.params import DEFAULT_PARAMS, Section, built_in, checked, read_params, section

MASK = "[MASK]"  # how a text names its blank, whatever the tokenizer calls its own mask token

DEVICES = ("auto", "cpu", "cuda")
DTYPES = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Machine:
    """Where a model computes, and in which numbers: said on the command line, since it is no parameter of a stage."""

    device: Literal["auto", "cpu", "cuda"] = "auto"  # auto: a CUDA device where there is one
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"  # auto: as the weights are stored


ANY_MACHINE = Machine()


# Lists come from YAML as lists: taken as tuples, so that settings stay frozen.
Texts = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False, min_length=1)]
Lengths = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False, min_length=1)]


class FillMaskSettings(Section):
    """Which blanks are filled, and how many masked places are tried (section `fill_mask`)."""

    texts: Texts = Field(default=(f"Life is like a {MASK} of chocolates.",), description=f"texts with {MASK} in them")
    top_k: int = Field(default=5, ge=1, le=1000, description="candidates shown for each blank")
    candidates: int = Field(default=200, ge=1, le=10000, description="next tokens that a causal model rescores")
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
            if MASK not in text:
                raise ValueError(f"{text!r} has no {MASK}: write {MASK} where the blank is")
        return texts


class GenerationSettings(Section):
    """Which prompts are continued (section `generation`)."""

    prompts: Texts = Field(default=("Swimming at the beach is",), description="texts to continue")
    max_new_tokens: int = Field(default=16, ge=1, le=100000, description="tokens to add at most")
    top_k: int = Field(default=5, ge=1, le=1000, description="candidates shown at each step")


class RecitationSettings(Section):
    """How recitation is measured (section `recitation`)."""

    prefix: int = Field(default=16, ge=1, description="tokens of a row that the model is given")
    continuation: int = Field(default=16, ge=1, description="tokens that it has to add")
    prefix_lengths: Lengths = Field(default=(1, 2, 4, 8, 16, 32), description="prefix lengths of the curve, in tokens")
    rows: int | None = Field(default=None, ge=1, description="rows tried in each split, a seeded sample; null: all")
    examples: int = Field(default=4, ge=0, le=1000, description="rows of each split shown side by side")
    batch_rows: int = Field(default=64, ge=1, description="rows decoded at a time")
    seed: int = Field(default=0, ge=0, description="decides the sample of rows and the bootstrap")

    @model_validator(mode="after")
    def _lengths_rise(self) -> Self:
        if list(self.prefix_lengths) != sorted(set(self.prefix_lengths)):
            raise ValueError(f"prefix_lengths must rise, got {list(self.prefix_lengths)}")
        return self


class CurvesSettings(Section):
    """What every checkpoint is asked (section `curves`)."""

    rows: int | None = Field(default=128, ge=1, description="rows tried in each split, a seeded sample; null: all")
    masked_fraction: float = Field(default=0.15, gt=0, le=1, description="share of a row's tokens that is hidden")
    prefix: int = Field(default=16, ge=1, description="tokens of a row that a causal model is given")
    continuation: int = Field(default=16, ge=1, description="tokens that it has to add")
    cloze: str = Field(default=f"Life is like a {MASK} of chocolates.", description=f"text with {MASK} in it")
    top_k: int = Field(default=5, ge=1, le=1000, description="candidates shown for its blank")
    candidates: int = Field(default=200, ge=1, le=10000, description="next tokens that a causal model rescores")
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
