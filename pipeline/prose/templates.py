"""Expand templates into the words that they put into running text.

Most templates are boxes and notes, and are cut. Some stand for words in the middle of a sentence and mean the same in
every edition; their arguments hold the words (template_words.py).
"""

import re
from collections.abc import Callable

from pipeline.prose.template_words import SHAPES, WORDS, Arguments

MAX_CHARS = 1000  # longer templates are no words in a sentence
_SPLIT = re.compile(r"\|(?![^\[\]]*\]\])")  # not the bars inside links
_NAMED = re.compile(r"[ \t\n]{0,9}([\w .-]{1,30}?)[ \t]{0,9}=(.*)", re.DOTALL)


def expand(content: str) -> str | None:
    """Return the words that `{{content}}` puts into the text, as wikitext; None: none, or it is not known."""
    name = content.partition("|")[0].strip().replace("_", " ")
    name, colon, value = name.partition(":")
    if colon:  # a parser function: its first argument follows the colon
        return value.strip() or None if name.strip().lower() == "formatnum" else None
    words = _words_of(name)
    # An empty string would hide that there was something, and leave its hole open.
    return (words(_arguments(content)) or None) if words else None


def is_known(name: str) -> bool:
    """Return whether a template of this name, which is all before its first bar, may put words into the text."""
    return ":" in name or _words_of(name.strip().replace("_", " ")) is not None


def _words_of(name: str) -> Callable[[Arguments], str] | None:
    name = name.lower()
    return WORDS.get(name) or next((words for shape, words in SHAPES.items() if re.fullmatch(shape, name)), None)


def _arguments(content: str) -> Arguments:
    positional: list[str] = []
    named: dict[str, str] = {}
    for part in _SPLIT.split(content):
        match = _NAMED.fullmatch(part) if positional else None
        if match:
            named[match[1]] = match[2]
        else:
            positional.append(part)
    return Arguments(positional, named)
