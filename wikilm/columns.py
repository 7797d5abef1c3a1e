"""Lay out text in the columns of a terminal, where a character may take two of them, or none."""

import itertools
from collections.abc import Iterator, Sequence

import wcwidth

from wikilm.terminal import visible

MOST_CHARACTERS = 16  # of a line for each of its columns: invisible ones are no reason for a line without end


def display_width(text: str) -> int:
    """Return how many columns of a terminal visible text takes: emoji sequences and letters with their marks as one
    sign.

    A space has its own column whatever stands before it, so that text filled up with spaces is as wide as it says.
    """
    return text.count(" ") + sum(wcwidth.width(word, control_codes="ignore") for word in text.split(" ") if word)


def ljust(text: str, width: int) -> str:
    """Fill text with spaces after it up to a width: as `str.ljust`, by columns."""
    return text + " " * (width - display_width(text))


def rjust(text: str, width: int) -> str:
    """Fill text with spaces before it up to a width: as `str.rjust`, by columns."""
    return " " * (width - display_width(text)) + text


def wrap(text: str, width: int) -> list[str]:
    """Return the lines of `width` columns, two or more, each filled up to it; broken at spaces where there are any."""
    paragraphs = text.expandtabs(4).split("\n")
    return [ljust(line, width) for paragraph in paragraphs for line in _lines(visible(paragraph), width)]


def _lines(text: str, width: int) -> Iterator[str]:
    """Yield a paragraph as lines that are not too wide; an empty one as an empty line."""
    signs: list[str] = []
    for sign in wcwidth.iter_graphemes(text):
        signs += [sign] if display_width(sign) <= width and len(sign) <= MOST_CHARACTERS * width else sign
    if not signs:
        yield ""
    start = 0
    while start < len(signs):
        end = _end(signs, start, width)
        if end < len(signs):
            spaces = (at + 1 for at in range(end - 1, start, -1) if signs[at] == " ")
            end = next(spaces, end)
        yield "".join(signs[start:end])
        start = end


def _end(signs: Sequence[str], start: int, width: int) -> int:
    """Return where a line ends at the latest. It is measured as a whole: a sign's width depends on those before it."""
    line = signs[start]
    for end in range(start + 1, len(signs)):
        line += signs[end]
        if display_width(line) > width or len(line) > MOST_CHARACTERS * width:
            return end
    return len(signs)


def side_by_side(columns: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    """Columns of (heading, text) as the lines of a terminal `width` wide."""
    each = max(8, (width - 3 * (len(columns) - 1)) // len(columns))
    heads = [wrap(heading, each) for heading, _ in columns]
    height = max(map(len, heads))
    heads = [[" " * each] * (height - len(head)) + head for head in heads]
    texts = [[*head, "─" * each, *wrap(text, each)] for head, (_, text) in zip(heads, columns, strict=True)]
    for lines in itertools.zip_longest(*texts, fillvalue=" " * each):
        yield " │ ".join(lines).rstrip()
