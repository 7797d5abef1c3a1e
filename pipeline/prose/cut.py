"""Cut what is not prose out of wikitext: templates, tables, references, comments, files, categories.

This takes one pass over the text with a stack, as in MediaWiki's own preprocessor, so its time is linear in the length
of any text. A cut leaves the character CUT, so that later steps know where a hole may be. What `<nowiki>` protects,
and a formula that is to stay, is set aside under a number between two control characters, which cannot be in the text
otherwise.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

from pipeline.articles import CATEGORY, FILE, Site
from pipeline.prose.deadline import Deadline
from pipeline.prose.entities import unescaped
from pipeline.prose.languages import EDITIONS, has_variants, variant
from pipeline.prose.signs import ASIDE_CLOSE, ASIDE_OPEN, BREAK, CONTROL, CUT
from pipeline.prose.templates import MAX_CHARS, expand

MAX_LINK_PIECES = 40
KEPT, DROPPED, PARTS = range(3)  # whether a link is dropped; PARTS: and parts the words before and after it
# Extension tags whose content is no prose, of Wikipedia and of other wikis: what is transcluded, computed, queried or
# embedded. Source: mediawiki.org, "Parser extension tags" and the extensions' own pages. Tags whose content is prose
# are among prose/tags.py.
EXTENSIONS = frozenset([
    "ref", "references", "gallery", "math", "chem", "ce", "timeline", "score", "syntaxhighlight", "source", "hiero",
    "graph", "mapframe", "maplink", "imagemap", "inputbox", "templatedata", "templatestyles", "categorytree",
    "section", "indicator", "pre", "includeonly", "charinsert", "phonos", "quiz", "rss", "dynamicpagelist",
    "listing", "style", "script", "pages", "pagelist", "pagequality", "tabber", "tabberneue", "infobox", "languages",
    "poll", "dpl", "youtube", "embedvideo", "videogallery", "vimeo", "soundcloud", "spotify", "slideshow",
    "hovergallery", "googlemap", "widget", "asciimath", "lilypond", "abc", "bloglist", "metadesc", "seo",
])  # fmt: skip
FORMULAS = frozenset(["math", "chem", "ce"])  # of EXTENSIONS
_TOKEN = re.compile(
    r"<!--|<(?P<slash>/?)(?P<tag>[a-zA-Z]+)(?=[\s/>])|\{\{+|\}\}+|\[\[|\]\]|-\{(?!\{)|\}-"
    r"|^[ \t:*#;]*\{\||^[ \t]*\|\}(?!\})",
    re.MULTILINE,
)
# What may follow a comment at the start of a line as if it stood there itself; groups as of _TOKEN.
_TABLE_MARK = re.compile(r"(?P<slash>)(?P<tag>)(?:[ \t:*#;]*\{\||[ \t]*\|\}(?!\}))")
_PREFIX = re.compile(r"[ _\t]{0,9}([^:|\[\]{}<>\n]{1,60}):")
# Aliases of the File namespace are not in siteinfo: what has a prefix and ends like a file is a file.
_FILE_NAME = re.compile(
    r"[^|\[\]{}<>\n]{1,250}\.(?:jpe?g|png|svg|gif|tiff?|webp|xcf|pdf|djvu|og[agv]|opus|webm|mp[34g]|wav|flac|midi?|stl)"
    r"[ \t]{0,9}[|\]]",
    re.IGNORECASE,
)
# What a word or a sentence may end with, in a script that puts spaces between words.
_WORD_BEFORE = re.compile(r'(?:[^\s"(\[{“„«‘\-–—/|=\u2e80-\U0010ffff]|[^\s(\[{]")\Z')
_LINK_END = re.compile(r"[^\[\]\n]{0,500}\]\]")


class _Kind(Enum):
    BRACES = auto()
    LINK = auto()
    TABLE = auto()
    VARIANT = auto()


@dataclass(slots=True)
class _Frame:
    """Something opened and not yet closed. What follows it starts at `place + 1` of the output."""

    kind: _Kind
    place: int
    braces: int = 0  # length of the run of braces that is still open
    drop: int = KEPT  # of a link, see `drops_link`


class _Finder:
    """The next place of a pattern at or after a position, for positions that only grow: linear in all."""

    def __init__(self, text: str, pattern: str) -> None:
        self._text, self._pattern = text, re.compile(pattern, re.IGNORECASE)
        self._next: tuple[int, int] | None = (-1, -1)

    def after(self, position: int) -> tuple[int, int] | None:
        """(start, end) of the next match, or None."""
        if self._next is not None and self._next[0] < position:
            match = self._pattern.search(self._text, position)
            self._next = match.span() if match else None
        return self._next


class _Cutter:
    def __init__(self, text: str, site: Site, deadline: Deadline) -> None:
        self.text, self.site, self.deadline = text, site, deadline
        self.out: list[str] = []
        self.aside: list[str] = []
        self.stack: list[_Frame] = []
        self.open_braces = 0  # frames of that kind on the stack
        self.finders: dict[str, _Finder] = {}
        self.line_start = -1  # where a line starts, but for the comments before it
        self.set_aside = {"nowiki"} | kept_formulas(site)
        self.language = site.language if has_variants(site.language) else None

    def run(self) -> str:
        position = 0
        while match := self._next_token(position):
            if match.start() > position:
                self.out.append(self.text[position : match.start()])
            position = self._token(match)
            self.deadline.check()
        self.out.append(self.text[position:])
        self._unwind()
        return "".join(self.out)

    def _next_token(self, position: int) -> re.Match[str] | None:
        after_comment = _TABLE_MARK.match(self.text, position) if position == self.line_start else None
        return after_comment or _TOKEN.search(self.text, position)

    def _token(self, match: re.Match[str]) -> int:
        """Take one token; returns where the text after it starts."""
        mark = match[0]
        if mark == "<!--":
            found = self._find("-->", match.end())
            self.out.append(CUT)
            end = found[1] if found else len(self.text)
            if match.start() in (0, self.line_start) or self.text[match.start() - 1] == "\n":
                self.line_start = end
            return end
        if match["tag"]:
            return self._tag(match)
        if mark[0] == "{" and mark[1] == "{":
            self._open(_Kind.BRACES, braces=len(mark))
            self.open_braces += 1
        elif mark[0] == "}" and mark[1] == "}":
            self._close_braces(len(mark))
        elif mark == "[[":
            self._open(_Kind.LINK, drop=drops_link(self.text, match.start(), self.site))
        elif mark == "]]":
            self._close_link()
        elif mark in ("-{", "}-") and self.language is None:
            self.out.append(mark)
        elif mark == "-{":
            self._open(_Kind.VARIANT)
        elif mark == "}-":
            self._close_variant()
        elif mark.endswith("{|"):
            self._open(_Kind.TABLE)
        else:
            self._close_table()
        return match.end()

    def _open(self, kind: _Kind, braces: int = 0, drop: int = KEPT) -> None:
        self.stack.append(_Frame(kind, len(self.out), braces, drop))
        self.out.append("-{" if kind is _Kind.VARIANT else "")

    def _replace(self, place: int, text: str) -> None:
        """Put `text` for all the output from `place` on."""
        del self.out[place:]
        self.out.append(text)

    def _content(self, place: int) -> str | None:
        """Return the output from `place` on, if it is short enough to be looked at."""
        if len(self.out) - place > MAX_CHARS or sum(map(len, self.out[place:])) > MAX_CHARS:
            return None
        return "".join(self.out[place:])

    def _find(self, pattern: str, position: int) -> tuple[int, int] | None:
        if pattern not in self.finders:
            self.finders[pattern] = _Finder(self.text, pattern)
        return self.finders[pattern].after(position)

    def _tag(self, match: re.Match[str]) -> int:
        """Cut an extension tag with its content, set aside what stays as it is, and leave other tags to the parser."""
        name = match["tag"].lower()
        if name == "table":
            ends = self._find(">", match.end())
            if match["slash"]:
                self._close_table()
            else:
                self._open(_Kind.TABLE)
            return ends[1] if ends else match.end()
        ends = self._find(">", match.end()) if name in EXTENSIONS or name == "nowiki" else None
        if ends is None:
            self.out.append(match[0])
            return match.end()
        content, position = "", ends[1]
        if not match["slash"] and self.text[ends[0] - 1] != "/" and (closes := self._find(rf"</{name}\s*>", ends[1])):
            content, position = self.text[ends[1] : closes[0]], closes[1]
        if name not in self.set_aside:
            self.out.append(CUT)
        else:
            self.out.append(f"{ASIDE_OPEN}{len(self.aside)}{ASIDE_CLOSE}")
            self.aside.append(set_aside(name, content))
        return position

    def _close_braces(self, run: int) -> None:
        """Match a run of closing braces as MediaWiki does: three, a parameter, before two, a template; one is text."""
        while run >= 2 and self.open_braces:
            while self.stack[-1].kind is not _Kind.BRACES:  # opened inside the template, not closed there
                self.stack.pop()
            frame = self.stack[-1]
            taken = 3 if min(run, frame.braces) >= 3 else 2
            content = self._content(frame.place + 1) if taken == 2 else None
            expanded = expand(content, self.site) if content is not None else None
            self._replace(frame.place + 1, CUT if expanded is None else expanded)
            run -= taken
            frame.braces -= taken
            if frame.braces < 2:
                self.out[frame.place] = "{" * frame.braces
                self.stack.pop()
                self.open_braces -= 1
        if run == 1:
            self.out.append("}")

    def _close_link(self) -> None:
        while self.stack and self.stack[-1].kind is _Kind.VARIANT:
            self.stack.pop()
        if self.stack and self.stack[-1].kind is _Kind.LINK:
            frame = self.stack.pop()
            if frame.drop:
                self._replace(frame.place, f"{CUT} " if frame.drop == PARTS else CUT)
                return
            self.out[frame.place] = "[["
            self.out.append("]]")
            if len(self.out) - frame.place < MAX_LINK_PIECES:  # a link stays on one line, as what reads it needs
                self.out[frame.place :] = [piece.replace("\n", " ") for piece in self.out[frame.place :]]
        else:
            self.out.append("]")

    def _close_variant(self) -> None:
        if not self.stack or self.stack[-1].kind is not _Kind.VARIANT:
            self.out.append("}-")
            return
        frame = self.stack.pop()
        content = self._content(frame.place + 1)
        shown = variant(content, self.language) if content is not None and self.language else ""
        self._replace(frame.place, shown or CUT)

    def _close_table(self) -> None:
        # A link ends at the latest with the table that it is in.
        while self.stack and self.stack[-1].kind in (_Kind.LINK, _Kind.VARIANT):
            self.stack.pop()
        if self.stack and self.stack[-1].kind is _Kind.TABLE:
            self._replace(self.stack.pop().place, BREAK + CUT)  # `<table>` may stand in the middle of a line

    def _unwind(self) -> None:
        """End what was never closed: a table with its section, a file with its line; the rest is text."""
        done = 0
        for frame in self.stack:
            if frame.place < done or not (frame.kind is _Kind.TABLE or frame.drop):
                continue
            end = "\n=" if frame.kind is _Kind.TABLE else "\n"
            done = frame.place
            while done < len(self.out):
                at = self.out[done].find(end)
                self.out[done] = self.out[done][at:] if at >= 0 else ""
                if at >= 0:
                    break
                done += 1


def drops_link(text: str, position: int, site: Site) -> int:
    """Return whether the link whose brackets start here shows nothing where it stands: KEPT, DROPPED or PARTS.

    Links to files, categories and other languages do; a file parts what stands on its sides.
    """
    match = _PREFIX.match(text, position + 2)
    if not match:
        return KEPT
    namespace = site.namespace_of(match[1])
    code = match[1].strip(" _\t").lower()
    if namespace == CATEGORY:
        return DROPPED
    if namespace is None and code in EDITIONS:
        return DROPPED if code != site.language and _LINK_END.match(text, match.end()) else KEPT
    if namespace == FILE or (namespace is None and _FILE_NAME.match(text, match.end())):
        return PARTS if _WORD_BEFORE.search(text[max(0, position - 2) : position]) else DROPPED
    return KEPT


def kept_formulas(site: Site) -> frozenset[str]:
    """Return the tags of formulas that stay (`source.formulas`)."""
    return FORMULAS if site.formulas == "tex" else frozenset()


def set_aside(name: str, content: str) -> str:
    """Return the text that stands for a tag with this content: as it is, or a formula as TeX between dollar signs.

    The content of `<chem>` and `<ce>` is that of a command of mhchem. Source: MediaWiki's extension Math.
    """
    text = CONTROL.sub("", unescaped(content))
    if name == "nowiki":
        return text
    tex = " ".join(text.split())
    return f"${tex}$" if tex and name == "math" else rf"$\ce{{{tex}}}$" if tex else ""


def cut(text: str, site: Site, deadline: Deadline) -> tuple[str, list[str]]:
    """Cut out of wikitext what is no prose.

    Args:
        text: wikitext without control characters other than line feed and tab.
        site: whose names of namespaces and templates count.
        deadline: checked at every token.

    Returns:
        The rest, with CUT where something was, and what was set aside: the n-th belongs in the place of
        ASIDE_OPEN, n, ASIDE_CLOSE.

    Raises:
        TooSlow: there is no time left.
    """
    cutter = _Cutter(text, site, deadline)
    return cutter.run(), cutter.aside
