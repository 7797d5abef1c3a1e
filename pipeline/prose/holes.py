"""Close the holes that cuts leave in lines, and drop headings with nothing under them."""

import re
from collections import Counter
from collections.abc import Sequence

from pipeline.prose.signs import ASIDE_CLOSE, ASIDE_OPEN, CUT, HEADING

SEPARATORS = ",;:،؛、，；：・"
DASHES = "-–—‒―/"  # and the slash, which parts words as well
_LONG_DASHES = "—―"  # which stand without spaces, too
_FILL = rf"[\s{CUT}{SEPARATORS}]"
# Possessive quantifiers, and no match that starts inside a run: linear in the length of a line.
_EMPTY_BRACKETS = re.compile(rf"[(（](?:{_FILL}++(?P<end>[)）])|(?:{_FILL}|[{DASHES}])++[)）])")
_AFTER_OPENING = re.compile(rf"([(（\[]){_FILL}++")
_BEFORE_CLOSING = re.compile(rf"(?<!{_FILL}){_FILL}++(?=[)）\]])")
_RUN = re.compile(rf"(?<!{_FILL}){_FILL}++")
_AT_START = re.compile(rf"(?:[\s{CUT}{SEPARATORS}。]|\.(?={_FILL}|\Z))++")
_SPACES = re.compile(r"[ \t]{2,}|\t")
# Single marks that only a cut keeps apart: joined, they would be markup.
MARKS = "[]{}'"
_PAIR = re.compile(r"\[\[|\]\]|\{\{|\}\}|''")
_MARK_OR_NOT = re.compile(r"[\[\]{}']|[^\[\]{}']++")
_BRACKETS_ROUND_FILL = re.compile(rf"([\[\]{{}}]){_FILL}++\1")
_BRACKET_OR_FILL = re.compile(rf"(?P<bracket>[\[\]{{}}])|(?P<fill>{_FILL}++)|(?:(?![\[\]{{}}]|{_FILL}).)++")
_QUOTES_ROUND_CUT = re.compile(f"'(?:{CUT}++')++")
_EMPTY_APOSTROPHES = re.compile(rf"(?<![^\s(（\[{CUT}])'{CUT}++'(?![\w'])")
# Quotes and brackets of every script: what opens, and what may close it. Those that sentences use are _EMPTY_BRACKETS.
_CLOSED_BY = {
    '"': '"', "“": "”", "„": "“”", "”": "”", "‘": "’", "‚": "‘’", "«": "»", "»": "«»", "‹": "›", "›": "‹›",
    "「": "」", "『": "』", "｢": "｣", "〝": "〞〟", "《": "》", "〈": "〉",
    "[": "]", "{": "}", "［": "］", "｛": "｝", "【": "】", "〔": "〕", "〖": "〗", "⟨": "⟩",
}  # fmt: skip
_AMBIGUOUS = {'"': '"', "”": "”", "«": "«", "»": "«", "‹": "‹", "›": "‹"}  # what may open or close -> its family
ENCLOSING = "".join(sorted(set("".join([*_CLOSED_BY, *_CLOSED_BY.values()]))))
_ENCLOSES = "".join(map(re.escape, ENCLOSING))
_QUOTE = re.compile(rf"([{_ENCLOSES}])(?:({_FILL}++)([{_ENCLOSES}]))?")
_STOPS = ".!?。！？．｡।॥۔؟։።"  # of every script
_BEFORE_A_DASH, _AFTER_A_DASH = "(（[", ")）]…" + _STOPS + DASHES
_DASH = re.compile(rf"(?<!{_FILL})({_FILL}*+)([{DASHES}]++)({_FILL}*+)")
_ASIDE = re.compile(f"{ASIDE_OPEN}([0-9]+){ASIDE_CLOSE}")
_NO_SEPARATOR = {ord(char): None for char in " \t\xa0" + CUT}
NO_SPACE_BEFORE = frozenset(_STOPS + ")]}）»”」』》〉】〕］")


def tidy_lines(text: str, aside: Sequence[str]) -> list[tuple[int, str]]:
    """Close the holes, put back what was set aside, and trim spaces.

    Args:
        text: lines; those of headings start with HEADING and their level; CUT stands where something was cut.
        aside: see `prose.cut.cut`.

    Returns:
        (level of the heading or 0, text) of each line that is left.
    """
    lines: list[tuple[int, str]] = []
    for line in text.split("\n"):
        level = 0
        if line.startswith(HEADING):
            level, line = int(line[1]), line[2:]
        shown = _tidy_line(line, aside)
        if shown or not (level or CUT in line):  # what is empty because of a cut was no blank line
            lines.append((level, shown))
    return lines


def without_pairs(text: str) -> str:
    """Take out double brackets, and all but one of quotes in a row, also those that only meet when others have gone."""
    if not _PAIR.search(text):
        return text
    kept: list[str] = []
    for piece in _MARK_OR_NOT.findall(text):
        if not (kept and piece == kept[-1] and piece in MARKS):
            kept.append(piece)
        elif piece != "'":
            kept.pop()
    return "".join(kept)


def joined(lines: Sequence[tuple[int, str]]) -> str:
    """Join the text of a page from its lines, without headings that have nothing under them, and with few blank
    lines.
    """
    return "\n".join(_trim(_without_empty_sections(lines)))


def _tidy_line(line: str, aside: Sequence[str]) -> str:
    closed = close_holes(line)
    if CUT in line and ASIDE_OPEN not in closed and not any(char.isalnum() for char in closed):
        return ""  # a lone full stop after a formula, say
    closed = _ASIDE.sub(lambda match: aside[int(match[1])].replace("\n", " "), closed)
    return _SPACES.sub(" ", closed).strip()


def close_holes(line: str) -> str:
    """Take out of a line its cuts, and what makes no sense without what was cut: empty brackets and quotes, dashes with
    nothing on one side, doubled separators and spaces.
    """
    for _ in range(4):  # brackets in brackets
        emptied = _without_empty_quotes(_EMPTY_BRACKETS.sub(_brackets, line))
        if emptied == line:
            break
        line = emptied
    if CUT not in line:
        return line
    line = _without_pairs_round_cuts(line)
    line = _EMPTY_APOSTROPHES.sub(CUT, line)
    line = _QUOTES_ROUND_CUT.sub("'", line)
    line = _DASH.sub(_dash, line)
    start = _AT_START.match(line)
    if start and CUT in start[0]:
        line = line[start.end() :]
    line = _AFTER_OPENING.sub(lambda match: match[1] if CUT in match[0] else match[0], line)
    line = _BEFORE_CLOSING.sub(lambda match: "" if CUT in match[0] else match[0], line)
    return _RUN.sub(_hole, line)


def _brackets(match: re.Match[str]) -> str:
    """Put a cut for brackets round nothing but separators; round dashes, too, if a cut has left them."""
    return CUT if match["end"] or CUT in match[0] else match[0]


def _without_pairs_round_cuts(line: str) -> str:
    """Put a cut for two brackets that only a cut keeps apart, also for those round them, which then are such a pair."""
    if not _BRACKETS_ROUND_FILL.search(line):
        return line
    kept: list[str] = []
    before: list[tuple[str, int]] = [("", 0)]  # brackets and words, each with its place in `kept`
    cuts = [False]  # whether a cut follows each of them
    for match in _BRACKET_OR_FILL.finditer(line):
        piece = match[0]
        if match["bracket"] and cuts[-1] and piece == before[-1][0]:
            del kept[before.pop()[1] :], cuts[-1]
            piece = CUT
        elif not match["fill"]:
            before.append((piece, len(kept)))
            cuts.append(False)
        cuts[-1] |= CUT in piece
        kept.append(piece)
    return "".join(kept)


def _without_empty_quotes(line: str) -> str:
    """Put a cut for quotes round nothing but cuts, where the first of them opens: so it does after an even number."""
    if CUT not in line:
        return line
    kept: list[str] = []
    seen: Counter[str] = Counter()
    position = 0
    while match := _QUOTE.search(line, position):
        quote, fill, close = match.groups("")
        family = _AMBIGUOUS.get(quote, "")
        inches = line[max(0, match.start() - 1) : match.start()].isdecimal()
        opens = not family or (seen[family] % 2 == 0 and not inches)
        kept.append(line[position : match.start()])
        if CUT in fill and close in _CLOSED_BY.get(quote, "") and opens:
            kept.append(CUT)
            position = match.end()
        else:
            seen[family] += 1
            kept.append(quote)
            position = match.start() + 1
    return "".join(kept) + line[position:]


def _dash(match: re.Match[str]) -> str:
    """Take out a dash between a cut and the start or end of what it parts: brackets, a clause, the line."""
    before, dash, after = match.groups()
    if CUT not in before + after:
        return match[0]
    line, start, end = match.string, match.start(), match.end()
    last, following = line[max(0, start - 1) : start], line[end : end + 1]
    if "/" in dash:
        starts, ends = last in ("(", "（") and before == CUT, following in (")", "）") and after == CUT
        return "" if dash == "/" and (starts or ends) else match[0]
    first_of_all = not last or last in _BEFORE_A_DASH
    parted = dash[0] in _LONG_DASHES
    at_start = CUT in before and first_of_all and (parted or after)
    at_end = not following or following in _AFTER_A_DASH or any(char in SEPARATORS for char in after)
    if at_start or (at_end and CUT in after and (parted or before or first_of_all)):
        return before + after
    return match[0]


def _hole(match: re.Match[str]) -> str:
    """Return what stays of a run of spaces, separators and cuts: the first separator, and a space if there was one."""
    run = match[0]
    if CUT not in run:
        return run
    after = match.string[match.end() : match.end() + 1]
    separators = run.translate(_NO_SEPARATOR) if after not in NO_SPACE_BEFORE else ""
    space = " " if after and after not in NO_SPACE_BEFORE and any(char.isspace() for char in run) else ""
    return separators[:1] + space


def _without_empty_sections(lines: Sequence[tuple[int, str]]) -> list[str]:
    """Drop headings that are followed by one of the same or a higher level, or by the end."""
    kept: list[str] = []
    below = 1  # level of the heading that comes next; the end is like one of the highest
    for level, text in reversed(lines):
        if level and level >= below:
            continue
        if text:
            below = level or 7  # text: whatever heading comes before it has something under it
        kept.append(text)
    return kept[::-1]


def _trim(lines: Sequence[str]) -> list[str]:
    """At most one blank line in a row, none at the start and the end."""
    trimmed = [line for line, before in zip(lines, ["", *lines], strict=False) if line or before]
    return trimmed[:-1] if trimmed and not trimmed[-1] else trimmed
