"""Print or write a probe's result: as one JSON document, or as text that is safe on a terminal."""

import dataclasses
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from probes.records import MADE_FROM, MadeFrom
from wikilm.columns import display_width, ljust, rjust
from wikilm.files import write_atomically
from wikilm.terminal import is_unsafe, visible


def quoted(text: str) -> str:
    """`text` in double quotes, so that its spaces can be seen, and safe for a terminal."""
    return '"' + visible(text).replace('"', '\\"') + '"'


def counted(number: int | None, noun: str) -> str:
    """`1 block`, `2 blocks`; None where a model does not say how many it has."""
    if number is None:
        return f"an unknown number of {noun}s"
    return f"{number:,} {noun}" + ("s" if number != 1 else "")


def table(rows: Sequence[Sequence[str]], indent: str = "  ") -> str:
    """Lay out rows of equal length as aligned columns; what looks like a number stands to the right."""
    widths = [max(display_width(row[i]) for row in rows) for i in range(len(rows[0]))]
    right = [all(re.fullmatch(r"[-+]?[\d.,]+ ?%?|", row[i]) for row in rows[1:]) for i in range(len(widths))]
    lines = []
    for row in rows:
        cells = [rjust(c, w) if r else ljust(c, w) for c, w, r in zip(row, widths, right, strict=True)]
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def json_text(result: Any) -> str:
    r"""Return a result (dataclasses, lists, mappings) as one JSON document: the same text for the same result.

    Floats are rounded to six significant digits, below which processors differ. Characters that are unsafe on a
    terminal are written as `\uXXXX`, which is the same JSON.
    """
    text = json.dumps(_plain(result), indent=1, ensure_ascii=False, allow_nan=False)

    def escape(match: re.Match[str]) -> str:
        char = match.group()
        return json.dumps(char)[1:-1] if char != "\n" and is_unsafe(char) else char

    return re.sub(r"[^ -~]", escape, text) + "\n"


def _plain(value: Any) -> Any:
    """Dataclasses as mappings, tuples as lists, floats rounded."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def with_origin(result: Any, made: MadeFrom) -> dict[str, Any]:
    """Return a result as a mapping, with what it was made from."""
    return {**_plain(result), MADE_FROM: made}


def emit(result: Any, human: str, *, as_json: bool, file: Path | None, made: MadeFrom | None = None) -> None:
    """Print `human`, or the JSON where asked for, and write the JSON to `file` where one is named.

    The JSON has what the result was made from, where `made` says it.
    """
    document = json_text(with_origin(result, made) if made else result)
    if file is not None:
        write_atomically(file, document)
    sys.stdout.write(document if as_json else human.rstrip("\n") + "\n")
