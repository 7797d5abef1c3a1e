"""Read statements with a blank and its answer from lines of JSON."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probes.settings import MASK
from wikilm.errors import UsageError, reason

OWN = {name: Path(__file__).parent / f"{name}.jsonl" for name in ("known", "unknown")}  # about the bundled corpus
EXAMPLE = f'{{"text": "The capital of France is {MASK}.", "answer": "Paris", "subject": "France"}}'


@dataclass(frozen=True)
class Statement:
    """A sentence with one blank, and what belongs there."""

    line: int  # of its file, from 1
    text: str  # with one [MASK]
    answer: str
    subject: str | None  # the words of `text` that say what it is about

    @property
    def without_subject(self) -> str | None:
        """The text without its subject: what is left tells the kind of answer, and not which."""
        if self.subject is None:
            return None
        return re.sub(r" +(?=[,.;:!?]|$)|^ +|(?<= ) +", "", self.text.replace(self.subject, "", 1))


def statements_file(name: str) -> Path:
    """Return the file of that name: one of this project, `known` or `unknown`, or a path.

    Raises:
        UsageError: there is none.
    """
    path = Path(name)
    if not path.is_file() and name in OWN:
        return OWN[name]
    if not path.is_file():
        raise UsageError(f"--file {name}: no such file; name one with lines such as {EXAMPLE}, or {' or '.join(OWN)}")
    return path


def read_statements(name: str) -> tuple[Statement, ...]:
    """Read the statements of a file, each a JSON object on a line of its own.

    Raises:
        UsageError: no such file, a line that is no statement, named with its number, or no line at all.
    """
    try:
        lines = statements_file(name).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--file {name}: cannot be read: {reason(error)[:200]}") from None
    found = tuple(_statements(name, lines))
    if not found:
        raise UsageError(f"--file {name}: holds no statement; write lines such as {EXAMPLE}")
    return found


def _statements(name: str, lines: list[str]) -> Iterator[Statement]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield _statement(number, json.loads(line))
            except (ValueError, RecursionError) as error:
                said = "is no JSON" if isinstance(error, json.JSONDecodeError | RecursionError) else str(error)
                raise UsageError(f"--file {name}: line {number} {said}; it must be such as {EXAMPLE}") from None


def _statement(number: int, content: Any) -> Statement:
    """Check one line.

    Raises:
        ValueError: it is no statement; the message says why.
    """
    if not isinstance(content, dict):
        raise ValueError("is no JSON object")
    if unknown := set(content) - {"text", "answer", "subject"}:
        raise ValueError(f"has an unknown key, {min(unknown)!r}")
    for key in ("text", "answer", *(("subject",) if "subject" in content else ())):
        value = content.get(key)
        if not isinstance(value, str) or not value.strip() or not _is_text(value):
            raise ValueError(f"has no {key}, or one that is no text")
    text, answer, subject = content["text"], content["answer"], content.get("subject")
    if text.count(MASK) != 1:
        raise ValueError(f"has {text.count(MASK)} blanks, and one {MASK} is needed")
    if answer != answer.strip() or MASK in answer:
        raise ValueError(f"has an answer with spaces around it, or with {MASK}")
    if subject is not None and (subject not in text or MASK in subject):
        raise ValueError("has a subject that does not stand in its text")
    return Statement(number, text, answer, subject)


def _is_text(value: str) -> bool:
    """Whether it can be written as UTF-8: JSON may hold half a character."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
