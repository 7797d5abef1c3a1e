"""Turn wikitext into prose: headings on lines of their own, paragraphs with their line breaks, one blank line between.

Four steps, each linear in the length of the text: what is no prose is cut (cut.py), marks that belong to lines are
taken off, mwparserfromhell reads what markup is left (lines.py), and the holes that cuts left are closed (holes.py).

There are two paths through them. The slow one is these modules: it says what is right. The fast one (compiled/) does
the same for what is common, and hands what is rare, a page or a line, to the slow one. Both give the same bytes, which
the tests hold for real dumps and for whatever hypothesis thinks of, so that a process may take either (fast_path.py).
"""

import math
import re
from types import ModuleType

from pipeline.articles.site import Site
from pipeline.prose.cut import EXTENSIONS, cut
from pipeline.prose.deadline import Deadline, TooSlow
from pipeline.prose.fast_path import compiled, fast_path
from pipeline.prose.holes import joined
from pipeline.prose.lines import _tidy
from pipeline.prose.plain import plain
from pipeline.prose.signs import CONTROL, CUT
from pipeline.prose.tags import plain_tags

_MAGIC_WORD = re.compile(
    r"__(?:[^\W_a-z][^\Wa-z]{1,60}?|(?i:no|force)?(?i:toc)|(?i:no(?:gallery|editsection|index|cc|tc|titleconvert)))__"
)


def clean(wikitext: str, site: Site, max_seconds: float = math.inf) -> str:
    """Turn wikitext into prose. A pure function, in time about linear in the text, whatever it holds.

    Args:
        wikitext: one page.
        site: whose names of namespaces count.
        max_seconds: of this thread's CPU time that the slow path may take, about.

    Raises:
        TooSlow: it took longer.
    """
    fast = fast_path(len(wikitext))
    if fast is None:
        try:
            return clean_slowly(wikitext, site, max_seconds)
        except TooSlow:  # which the compiled path may not be: what comes out must not depend on when it is there
            fast = compiled()
            if fast is None:
                raise
    return _clean_by(fast, wikitext, site, max_seconds)


def clean_fast(wikitext: str, site: Site, max_seconds: float = math.inf) -> str:
    """As `clean`, but by the compiled path where it can be had, however long it takes to compile."""
    fast = compiled()
    return clean_slowly(wikitext, site, max_seconds) if fast is None else _clean_by(fast, wikitext, site, max_seconds)


def _clean_by(fast: ModuleType, wikitext: str, site: Site, max_seconds: float) -> str:
    deadline = Deadline(max_seconds)
    text = wikitext.replace("\r\n", "\n").replace("\r", "\n") if "\r" in wikitext else wikitext
    text, aside = fast.cut(text, site) or cut(CONTROL.sub("", text), site, deadline)
    return joined(fast.lines(_plain(text), lambda line: _tidy([line], site, aside, deadline)))


def clean_slowly(wikitext: str, site: Site, max_seconds: float = math.inf) -> str:
    """As `clean`, but without the compiled path: what that one is compared to."""
    deadline = Deadline(max_seconds)
    text, aside = cut(plain(wikitext), site, deadline)
    return joined(_tidy(_plain(text).split("\n"), site, aside, deadline))


def _plain(text: str) -> str:
    return plain_tags(_MAGIC_WORD.sub(CUT, text), EXTENSIONS)
