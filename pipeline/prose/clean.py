"""Turn wikitext into prose: headings on lines of their own, paragraphs with their line breaks, one blank line between.

There are four steps, each linear in the length of the text: cut what is not prose (cut.py); take the marks of headings,
lists and quotes off the lines, and have mwparserfromhell read what markup is left (lines.py); close the holes that cuts
leave (holes.py).

There are two paths through them. The reference path is these modules, which define what is right. The compiled path
(compiled/) does the same for what is common, and leaves what is rare, a page or a line, to the reference. Both give the
same bytes, so a process may take either (fast_path.py).
"""

import math
import re
from types import ModuleType
from typing import NamedTuple

from pipeline.articles import Site
from pipeline.prose.cut import EXTENSIONS, cut
from pipeline.prose.deadline import Deadline, TooSlow
from pipeline.prose.fast_path import compiled, fast_path
from pipeline.prose.holes import joined
from pipeline.prose.lines import prose_lines
from pipeline.prose.plain import plain
from pipeline.prose.signs import CONTROL, CUT
from pipeline.prose.tags import plain_tags

_MAGIC_WORD = re.compile(
    r"__(?:[^\W_a-z][^\Wa-z]{1,60}?|(?i:no|force)?(?i:toc)|(?i:no(?:gallery|editsection|index|cc|tc|titleconvert)))__"
)


class Prose(NamedTuple):
    """The text of a page, and what was counted on the way: tags of unknown extensions (unknown_tags.py)."""

    text: str
    unknown_tags: int


def clean(wikitext: str, site: Site, max_seconds: float = math.inf) -> Prose:
    """Turn wikitext into prose: a pure function, in time about linear in the length of any text.

    Args:
        wikitext: one page.
        site: whose names of namespaces count.
        max_seconds: CPU time of this thread that the reference path may take, about.

    Raises:
        TooSlow: it took longer.
        CompilerError: the compiled path would pay, and numba fails; no fault of this page.
    """
    fast = fast_path(len(wikitext))
    if fast is None:
        try:
            return _clean_by_reference(wikitext, site, max_seconds)
        except TooSlow:  # the compiled path may be in time, and a text must not depend on when it is there
            fast = compiled()
            if fast is None:
                raise
    return _clean_with(fast, wikitext, site, max_seconds)


def clean_compiled(wikitext: str, site: Site, max_seconds: float = math.inf) -> str:
    """As the text of `clean`, but by the compiled path if there is a compiler, however long it takes to compile."""
    fast = compiled()
    if fast is None:
        return clean_by_reference(wikitext, site, max_seconds)
    return _clean_with(fast, wikitext, site, max_seconds).text


def clean_by_reference(wikitext: str, site: Site, max_seconds: float = math.inf) -> str:
    """As the text of `clean`, but by the reference path alone."""
    return _clean_by_reference(wikitext, site, max_seconds).text


def _clean_with(fast: ModuleType, wikitext: str, site: Site, max_seconds: float) -> Prose:
    """As `clean`, but by the compiled path; its limit holds for what that leaves to the reference."""
    deadline = Deadline(max_seconds)
    text = wikitext.replace("\r\n", "\n").replace("\r", "\n") if "\r" in wikitext else wikitext
    text, aside = fast.cut_page(text, site) or cut(CONTROL.sub("", text), site, deadline)
    text, unknown = _plain(text)
    lines = fast.page_lines(text, lambda line: prose_lines([line], site, aside, deadline))
    return Prose(joined(lines), unknown)


def _clean_by_reference(wikitext: str, site: Site, max_seconds: float) -> Prose:
    """As `clean`, but by the reference path alone."""
    deadline = Deadline(max_seconds)
    text, aside = cut(plain(wikitext), site, deadline)
    text, unknown = _plain(text)
    return Prose(joined(prose_lines(text.split("\n"), site, aside, deadline)), unknown)


def _plain(text: str) -> tuple[str, int]:
    return plain_tags(_MAGIC_WORD.sub(CUT, text), EXTENSIONS)
