"""Define what the page may ask: models and rows by their numbers, texts and counts within bounds, and nothing else."""

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wikilm.errors import UsageError

MAX_BYTES = 64 * 1024  # of a request's body
MAX_CHARACTERS = 4000  # of a text: more than the rows of 128 tokens hold
MAX_TOKENS = 256  # added to a prompt, those that the reader chose included
MAX_SHOWN = 50  # choices for a blank or a step

Text = Annotated[str, Field(max_length=MAX_CHARACTERS)]
Ids = Annotated[tuple[Annotated[int, Field(ge=0, lt=2**31)], ...], Field(max_length=MAX_TOKENS)]


class Question(BaseModel):
    """A question to one model, which is named by its number in the order of the command line."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    model: int = Field(ge=0)


class Fill(Question):
    """What belongs in the blanks of a text?"""

    text: Text
    top_k: int = Field(default=5, ge=1, le=MAX_SHOWN)


class Continue(Question):
    """How does a prompt go on, with its first tokens chosen by the reader?"""

    prompt: Text
    chosen: Ids = ()
    max_new_tokens: int = Field(default=16, ge=1, le=MAX_TOKENS, description="those that the reader chose included")
    top_k: int = Field(default=5, ge=1, le=MAX_SHOWN)


class Trace(Question):
    """Where do the words of a text stand, or those of a prompt with the ids that were added to it?"""

    text: Text
    ids: Ids = ()


class Row(Question):
    """Which tokens has a row, and whose are they? The model's tokenizer spells them."""

    split: Literal["train", "validation"]
    row: int = Field(ge=0, lt=2**63)


Q = TypeVar("Q", bound=Question)


def parse(kind: type[Q], body: bytes) -> Q:
    """Read a question from JSON.

    Raises:
        UsageError: it is none of this kind, or a value is out of bounds; the line names the first that is wrong.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the question"
        raise UsageError(f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}") from None
