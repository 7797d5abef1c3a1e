"""Turn lines into prose, once what is not prose is cut out of their page."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

import mwparserfromhell
from mwparserfromhell.nodes import ExternalLink, Heading, HTMLEntity, Tag, Text, Wikilink

from pipeline.articles import Site
from pipeline.prose.deadline import Deadline
from pipeline.prose.entities import ENTITY, meaning
from pipeline.prose.holes import MARKS, tidy_lines, without_pairs
from pipeline.prose.signs import BREAK, CONTROL, CUT, HEADING, ITEM
from pipeline.prose.tags import PARTS, balanced

LIST_MARKS = "*#:;"
_BLANK = " \t" + CUT + BREAK
_LIST_START = re.compile(rf"(?:{CUT}*+[{LIST_MARKS}]++)++")  # after a comment, too
_MARKUP = re.compile(r"[\[<&]")
_ITEMS = re.compile(rf"{ITEM}[ \t{ITEM}]*+")
# What the title of a page cannot hold, and what its section cannot, either. Source: MediaWiki's `TitleParser`.
_NOT_IN_TITLE = re.compile(r"\A[^#]*?(?:[\[\]{}|<>]|%[0-9a-fA-F]{2})|[\x00-\x1f\x7f-\x9f\ufeff]")
_QUOTES = re.compile("'{2,}")
# The target of a link, with quotes, which are no marks there; an address in brackets, which ends at quotes.
_QUOTES_IN_TARGET = re.compile(r"\[\[[^\[\]|]*?''[^\[\]|]*+(?=\||\]\])")
_FIRST_COLON = re.compile(r"\A:(?!:)\s*")
_ADDRESS_BEFORE_QUOTES = re.compile(r"(\[(?:[a-zA-Z]{1,12}:)?//(?:(?!'')[^\s\[\]<>\"])++)(?='')")
# What an entity means is text, also where it would be markup if it stood there: control characters keep its place.
_AS_TEXT = str.maketrans(MARKS, "\x05\x06\x07\x08\x0e")
_AS_TEXT_QUOTES = {ord("'"): _AS_TEXT[ord("'")]}
_AS_MEANT = {placeholder: ord(mark) for mark, placeholder in zip(MARKS, _AS_TEXT.values(), strict=True)}


def prose_lines(lines: Sequence[str], site: Site, aside: Sequence[str], deadline: Deadline) -> list[tuple[int, str]]:
    """Turn lines into tidy lines of prose: (level of the heading or 0, text). One line may give none, or several.

    Args:
        lines: what `prose.cut.cut` has left, with its tags made plain and balanced (prose/tags.py).
        site: whose names of namespaces count.
        aside: see `prose.cut.cut`.
        deadline: checked at every line.

    Raises:
        TooSlow: there is no time left.
    """
    shown: list[str] = []
    for line in lines:
        deadline.check()
        bare = take_marks(line)
        if bare is not None:
            shown.append(show_line(bare, site))
    return tidy_lines("\n".join(shown), aside) if shown else []


def take_marks(line: str) -> str | None:
    """Take off a line the marks of headings, lists and rules, of bold and italic; None: nothing is left.

    A heading starts with HEADING and its level.
    """
    bare = line.strip(" \t" + CUT)
    if not bare.strip(_BLANK):
        return None if bare or CUT in line else ""
    if bare[0] == "=" and bare[-1] == "=" and len(bare) > 2:
        level = min(len(bare) - len(bare.lstrip("=")), len(bare) - len(bare.rstrip("=")), 6, (len(bare) - 1) // 2)
        return f"{HEADING}{level}{_without_quotes(bare[level:-level].strip())}"
    if bare[0] == "|" or bare.startswith("{|"):  # a row of a broken table
        return None
    if bare.startswith("----"):
        line = bare.lstrip("-")
        if not line:
            return None
    if marks := _LIST_START.match(line):
        line = line[marks.end() :]
        if not line.strip(_BLANK):
            return None
    return _without_quotes(line)


def _without_quotes(line: str) -> str:
    """Take out the quotes that mean bold and italic, and keep those that are apostrophes.

    As in MediaWiki's `Parser::doQuotes`, a run of 4 is an apostrophe and bold, and one of more than 5 is apostrophes
    and both; where both bold and italic are left open, one bold was an apostrophe and italic. Of the apostrophes of a
    run, one is kept.
    """
    if "''" not in line:
        return line
    line = _QUOTES_IN_TARGET.sub(lambda match: match[0].translate(_AS_TEXT_QUOTES), line)
    line = _ADDRESS_BEFORE_QUOTES.sub(r"\1 ", line)
    runs = [match.span() for match in _QUOTES.finditer(line)]
    if not runs:
        return line
    marks = [min(end - start, 5) if end - start != 4 else 3 for start, end in runs]
    kept = [end - start - mark for (start, end), mark in zip(runs, marks, strict=True)]
    if sum(mark in (3, 5) for mark in marks) % 2 and sum(mark in (2, 5) for mark in marks) % 2:
        bold = [number for number, mark in enumerate(marks) if mark == 3]
        word = [number for number in bold if line[: runs[number][0]][-1:] != " "]
        single = [number for number in word if line[: runs[number][0]][-2:-1] == " "]
        if bold:
            kept[(single or word or bold)[0]] += 1
    edges = [(0, 0), *runs]
    text = [line[a[1] : b[0]] + "'" * min(keep, 1) for (a, b), keep in zip(pairwise(edges), kept, strict=True)]
    return "".join(text) + line[runs[-1][1] :]


def show_line(line: str, site: Site) -> str:
    """Return the text that a line shows: one line, or several where tags part it; a heading stays one.

    mwparserfromhell reads the markup that is left in the line.
    """
    if _MARKUP.search(line):
        pieces: list[str] = []
        _render(mwparserfromhell.parse(balanced(line), skip_style_tags=True), site, pieces)
        shown = without_pairs("".join(pieces)).translate(_AS_MEANT)
    else:
        shown = without_pairs(line)
    if ITEM in shown:
        shown = _ITEMS.sub("\n", shown.strip(" \t" + ITEM))
    if BREAK in shown:
        shown = shown.strip().removeprefix(BREAK).removesuffix(BREAK).replace(BREAK, "\n")
    return shown.replace("\n", " ") if shown.startswith(HEADING) else shown


def _render(code: Any, site: Site, out: list[str]) -> None:
    """Append what parsed wikitext shows to `out`. The parser itself never nests deeper than 40."""
    for node in code.nodes:
        if isinstance(node, Text):
            out.append(_text(str(node.value)))
        elif isinstance(node, Wikilink):
            _link(node, site, out)
        elif isinstance(node, ExternalLink):
            if node.title is not None:
                _render(node.title, site, out)
            else:
                out.append(CUT if node.brackets else _text(str(node.url)))
        elif isinstance(node, HTMLEntity):
            out.append(_text(str(node)))
        elif isinstance(node, Tag):
            _tag(node, site, out)
        elif isinstance(node, Heading):  # text follows it, so it is none
            out.append("=" * node.level)
            _render(node.title, site, out)
            out.append("=" * node.level)
        else:
            out.append(CUT)


def _text(text: str) -> str:
    return ENTITY.sub(lambda match: CONTROL.sub("", meaning(match)).translate(_AS_TEXT), text)


def _link(node: Any, site: Site, out: list[str]) -> None:
    if node.text is not None and str(node.text):
        _render(node.text, site, out)
        return
    title: list[str] = []
    _render(node.title, site, title)
    shown = _decoded(_FIRST_COLON.sub("", "".join(title).strip()))
    _, _, rest = shown.partition(":")
    out.append(rest.strip() if rest.strip() and node.text is not None else shown)


def _decoded(title: str) -> str:
    """Return a title with what is encoded as in an address, unless no page can have such a title."""
    if "%" not in title:
        return title
    try:
        decoded = unquote(title, errors="strict")
    except UnicodeDecodeError:
        return title
    return title if _NOT_IN_TITLE.search(decoded) else decoded.translate(_AS_TEXT)


def _tag(node: Any, site: Site, out: list[str]) -> None:
    name = str(node.tag).strip().lower()
    if node.attributes:  # `plain_tags` leaves the one that hides
        out.append(CUT)
        return
    parts = PARTS.get(name, "")
    out.append(parts)
    if node.contents is not None:
        _render(node.contents, site, out)
    out.append(parts)
