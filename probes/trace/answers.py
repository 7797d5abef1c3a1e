"""Take the texts that a model has made from the results of other questions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from probes.trace.texts import TokenizedText, from_ids, from_text
from wikilm.errors import RunError, UsageError, first_fault


class _Generation(BaseModel):
    prompt: str
    ids: list[int]


class _Generations(BaseModel):
    generations: list[_Generation]


class _Span(BaseModel):
    text: str


class _Example(BaseModel):
    split: str
    prefix: str
    model: list[_Span]


class _Recitation(BaseModel):
    examples: list[_Example]


R = TypeVar("R", bound=BaseModel)


def generated_texts(path: Path, tokenizer: Any) -> Iterator[TokenizedText]:
    """Yield the continued prompts of a result of `python -m probes generate`.

    Raises:
        RunError: it is no such result.
    """
    try:
        for one in _read(path, _Generations, "generate").generations:
            yield from_ids(tokenizer, one.prompt, one.ids)
    except UsageError as error:
        raise RunError(f"{path}: {error}") from None


def recited_texts(path: Path, tokenizer: Any) -> Iterator[tuple[str, TokenizedText]]:
    """Yield the examples of a result of `python -m probes recite`, each with the split whose row began it.

    Raises:
        RunError: it is no such result.
    """
    for one in _read(path, _Recitation, "recite").examples:
        text = one.prefix + "".join(span.text for span in one.model)
        yield one.split, from_text(tokenizer, text, len(one.prefix), special=True)


def _read(path: Path, kind: type[R], command: str) -> R:
    again = f"name a file that python -m probes {command} --output FILE has written"
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RunError(f"{path}: cannot read it: {error.strerror or error}; {again}") from None
    except ValidationError as error:
        raise RunError(f"{path}: not a result of {command}: {first_fault(error)}; {again}") from None
