"""Make text of any origin safe to show: in an article, a file name or a model's answer there may be anything.

Imports the standard library alone, since a command also shows that a package is missing.
"""

import unicodedata

# Embeddings, overrides and isolates, which turn the direction of all that follows (Unicode Standard Annex #9).
_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSAFE_CATEGORIES = frozenset(("Cc", "Cs", "Co", "Cn", "Zl", "Zp"))
_REPLACEMENT = "\ufffd"
_PICTURES = 0x2400  # where the pictures of the C0 controls begin, in their order: ␛ for escape, ␊ for line feed


def visible(text: str, keep: str = "") -> str:
    """Make text do nothing to a terminal, one character for each character.

    A C0 control is shown as its picture (␛, ␉, ␊); what else is unsafe (see `is_unsafe`) as �. Joiners stay, which
    emoji and several scripts are made with.

    Args:
        text: any text, also with lone surrogates.
        keep: characters to leave as they are, such as a newline in text of several lines.
    """
    return "".join(
        character if character in keep or not is_unsafe(character) else _sign(character) for character in text
    )


def is_utf8(text: str) -> bool:
    """Return whether an argument or a file name was valid UTF-8; Python keeps other bytes as surrogates (PEP 383)."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def is_unsafe(character: str) -> bool:
    """Return whether a terminal may act upon a character, or nobody knows what it shows.

    So are the C0 and C1 controls with tab and newline, marks that turn the direction of text, line and paragraph
    separators, lone surrogates, and private-use and unassigned characters.
    """
    return character in _DIRECTION or unicodedata.category(character) in _UNSAFE_CATEGORIES


def _sign(character: str) -> str:
    return chr(_PICTURES + ord(character)) if ord(character) < 0x20 else _REPLACEMENT
