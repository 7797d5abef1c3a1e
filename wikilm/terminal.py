"""Text of any origin in, what a terminal may show out: nothing that controls it, in columns of a known width."""

import itertools
import unicodedata
from collections.abc import Iterator, Sequence


def visible(text: str) -> str:
    """Text that can do nothing to a terminal: characters that control it, or turn or break lines, are shown as signs.

    An article may hold escape sequences, and marks that turn the direction of all that follows.
    """
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    kind = unicodedata.category(character)
    if kind == "Cc":
        return chr(0x2400 + ord(character)) if ord(character) < 0x20 else "�"
    turns = character in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    return "�" if turns or kind in ("Cs", "Zl", "Zp", "Cn", "Co") else character


def cells(character: str) -> int:
    """How many columns of a terminal a character takes: 0, 1 or 2."""
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns, each filled up to it; broken at spaces where there are any."""
    lines = []
    for paragraph in text.expandtabs(4).split("\n"):
        line, used, space = "", 0, -1
        for character in visible(paragraph):
            if used + cells(character) > width:
                cut = space + 1 if space > 0 else len(line)
                lines.append(line[:cut])
                line = line[cut:]
                used, space = sum(map(cells, line)), -1
            if character == " ":
                space = len(line)
            line, used = line + character, used + cells(character)
        lines.append(line)
    return [line + " " * (width - sum(map(cells, line))) for line in lines]


def side_by_side(columns: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    """Columns of (heading, text) as the lines of a terminal `width` wide."""
    each = max(8, (width - 3 * (len(columns) - 1)) // len(columns))
    heads = [wrap(heading, each) for heading, _ in columns]
    height = max(map(len, heads))
    heads = [[" " * each] * (height - len(head)) + head for head in heads]
    texts = [[*head, "─" * each, *wrap(text, each)] for head, (_, text) in zip(heads, columns, strict=True)]
    for lines in itertools.zip_longest(*texts, fillvalue=" " * each):
        yield " │ ".join(lines).rstrip()
