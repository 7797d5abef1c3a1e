"""Read a pattern: how a template whose arguments stand in an order of their own makes words of them.

`{2|1}` stands for the second argument, or else the first; `{text|=none}` for the one of that name, or else for "none".
What stands in square brackets is left out unless an argument in them is given; all else is text. A pattern gives no
words unless all arguments outside of square brackets are given.

    {1}[（{2}[、{3}]）]      読み仮名|東京|とうきょう      東京（とうきょう）
    {1}{2|=e} siècle       s-|XIX                      XIXe siècle
"""

import re
from collections.abc import Callable
from functools import lru_cache

from pipeline.prose.template_arguments import Arguments

MAX_CHARS = 200
_PIECES = re.compile(r"\{(?P<names>[^{}\[\]]{1,100})\}|(?P<bracket>[\[\]])|(?P<text>[^{}\[\]]+)")
_Piece = str | tuple[str, ...] | list["_Piece"]  # text; names of arguments; an optional part


def is_pattern(target: str) -> bool:
    """Return whether this is a pattern, and not the name of a template."""
    return "{" in target or (target.startswith("=") and target != "=")


@lru_cache(4096)
def pattern(text: str) -> Callable[[Arguments], str]:
    """Return what makes words of arguments; `=text` is the pattern of a template that stands for that text.

    Raises:
        ValueError: this is no pattern; says why.
    """
    pieces: list[_Piece] = [text[1:]] if text.startswith("=") else _parsed(text)
    return lambda given: _shown(pieces, given)[0]


def _parsed(text: str) -> list[_Piece]:
    if len(text) > MAX_CHARS:
        raise ValueError(f"a pattern has at most {MAX_CHARS} characters")
    open_parts: list[list[_Piece]] = [[]]
    position = 0
    while position < len(text):
        match = _PIECES.match(text, position)
        if match is None:
            raise ValueError(f"a brace without its partner at character {position + 1}")
        position = match.end()
        if match["names"]:
            open_parts[-1].append(tuple(name.strip() for name in match["names"].split("|")))
        elif match["text"]:
            open_parts[-1].append(match["text"])
        elif match["bracket"] == "[":
            open_parts.append([])
        elif len(open_parts) == 1:
            raise ValueError(f"a bracket without its partner at character {position}")
        else:
            closed = open_parts.pop()
            open_parts[-1].append(closed)
    if len(open_parts) > 1:
        raise ValueError("a bracket is not closed")
    return open_parts[0]


def _shown(pieces: list[_Piece], given: Arguments, *, optional: bool = False) -> tuple[str, bool]:
    """Return the words of a part, and whether an argument in it is given."""
    words, any_given = "", False
    for piece in pieces:
        if isinstance(piece, str):
            words += piece
        elif isinstance(piece, tuple):
            text, is_given = _argument(piece, given)
            if not text and not optional:
                return "", False
            words, any_given = words + text, any_given or is_given
        else:
            text, is_given = _shown(piece, given, optional=True)
            if is_given:
                words, any_given = words + text, True
    return words, any_given


def _argument(names: tuple[str, ...], given: Arguments) -> tuple[str, bool]:
    """Return the first argument of these names that is given, and whether it is no default."""
    for name in names:
        if name.startswith("="):
            return name[1:], False
        if text := given.at(int(name)) if re.fullmatch("[1-9]", name) else given.text(name):
            return text, True
    return "", False
