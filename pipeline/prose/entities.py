"""Read entities of HTML as MediaWiki does: those with their semicolon, whose number or name means a character."""

import html.entities
import re

ENTITY = re.compile(r"&(?:#([0-9]{1,12})|#[xX]([0-9a-fA-F]{1,12})|([A-Za-z][A-Za-z0-9]{1,31}|רלמ|رلم));")
_ALIASES = {"רלמ": "rlm", "رلم": "rlm"}  # which only MediaWiki knows. Source: its `Sanitizer`
_SPACES = str.maketrans("\t\n", "  ")  # in HTML a space like any other


def unescaped(text: str) -> str:
    """Return a text with its entities as the characters that they mean; one that means none stays as it is typed."""
    return ENTITY.sub(meaning, text) if "&" in text else text


def meaning(match: re.Match[str]) -> str:
    """Return the character that a match of ENTITY means, or the match as it is typed."""
    decimal, hexadecimal, name = match.groups()
    if name:
        return html.entities.html5.get(f"{_ALIASES.get(name, name)};", match[0]).translate(_SPACES)
    number = int(decimal) if decimal else int(hexadecimal, 16)
    return chr(number).translate(_SPACES) if _is_character(number) else match[0]


def _is_character(number: int) -> bool:
    """Return whether a code point may stand in XML and in HTML. Source: MediaWiki's `Sanitizer::validateCodepoint`."""
    return (
        number in (0x9, 0xA)
        or 0x20 <= number <= 0x7E
        or 0xA0 <= number <= 0xD7FF
        or 0xE000 <= number <= 0xFFFD
        or 0x10000 <= number <= 0x10FFFF
    )
