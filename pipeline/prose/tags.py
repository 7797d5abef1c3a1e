"""Write HTML tags in a plain and balanced form, which mwparserfromhell reads in linear time.

The parser backtracks when an opening has no end, which takes quadratic time on a page that is broken or hostile. So
every tag that it sees is a known one, has a partner on its line, and is nested at most MAX_DEPTH deep.
"""

import re

from mwparserfromhell.definitions import URI_SCHEMES

from pipeline.prose.signs import BREAK, ITEM
from pipeline.prose.unknown_tags import CODE, may_be_unknown, unknown_tags

MAX_DEPTH = 16
HIDDEN = ' style="display:none"'
BREAKS = frozenset(["br", "hr"])
# What starts and ends a line: a paragraph, after which a line is blank, an item of a list or a table, or a break.
PARTS = (
    dict.fromkeys(["blockquote", "center", "div", "h1", "h2", "h3", "h4", "h5", "h6", "p", "poem", "section"], "\n")
    | dict.fromkeys(["dd", "dl", "dt", "li", "ol", "td", "th", "tr", "ul"], ITEM)
    | dict.fromkeys(BREAKS, BREAK)
)
INLINE = frozenset([
    "abbr", "b", "bdi", "bdo", "big", "caption", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins",
    "kbd", "mark", "noinclude", "onlyinclude", "q", "rb", "rp", "rt", "rtc", "ruby", "s", "samp", "small", "span",
    "strike", "strong", "sub", "sup", "tbody", "tfoot", "thead", "time", "tt", "u", "var", "wbr",
    "translate", "tvar", "langconvert", "spoiler", "nomobile", "mobileonly",  # of extensions
])  # fmt: skip
# A name ends at a space, a slash or the end of its tag. Source: MediaWiki's `Sanitizer::ELEMENT_BITS_REGEX`.
_LESS_THAN = re.compile(r"<(?:(/?)([a-zA-Z][^ \t\n/<>]*+)([^<>]*)>)?")
_INCLUSION = re.compile(r"</?(?:no|only)include>")
_HIDES = re.compile(r"display[ ]?:[ ]?none", re.IGNORECASE)
_PLAIN_TAG = re.compile(r"<(/?)([a-z0-9]+)[^<>]*>")
_BRACKET_AS_TEXT = "&#91;"
_SCHEME = "|".join(f"{name}:{'//' if slashes else ''}" for name, slashes in URI_SCHEMES.items())
_HOST_IN_BRACKETS = re.compile(rf"(?<=\[)((?i:{_SCHEME}|//)(?://)?)\[([0-9a-fA-F:.]+)\]")
# A bracket and the address after it, a whole link, or another bracket. Source: MediaWiki's `Parser`, its
# EXT_LINK_URL_CLASS and `handleExternalLinks`, where `<` and `>` end an address that are text, too.
_BRACKET = re.compile(
    rf"(?P<address>\[(?i:{_SCHEME}|//)(?P<rest>(?:(?!&[lg]t;)[^\s\[\]<>\"{BREAK}])*+))|\[\[[^\[\]]*+\]\]"
    r"|(?P<bracket>[\[\]])"
)


def plain_tags(text: str, extensions: frozenset[str]) -> tuple[str, int]:
    """Write known tags without attributes, breaks as BREAK, and any other '<' as the entity that means it.

    Args:
        text: wikitext.
        extensions: names of extension tags; those without a partner, which `prose.cut.cut` leaves, are removed.

    Returns:
        The text, and how many tags of unknown extensions were removed (see unknown_tags.py).
    """
    if "<tvar|" in text:  # its old form, `<tvar|name>words</>`
        text = text.replace("<tvar|", "<tvar ").replace("</>", "")
    if "include>" in text:  # tags that mean something where a page is transcluded
        text = _INCLUSION.sub("", text)
    seen: list[re.Match[str]] = []
    plain = _LESS_THAN.sub(lambda match: _plain_tag(match, extensions, seen), text)
    if removed := unknown_tags(seen):
        plain = _LESS_THAN.sub(
            lambda match: removed[at] if (at := match.start()) in removed else _plain_tag(match, extensions, []), text
        )
    return plain, len(removed)


def _plain_tag(match: re.Match[str], extensions: frozenset[str], seen: list[re.Match[str]]) -> str:
    """Return what is put in place of a tag. What `unknown_tags` has to see is appended to `seen`."""
    name = (match[2] or "").lower()
    if name in extensions or name in ("table", "nowiki"):
        return ""
    if name not in PARTS and name not in INLINE:
        if may_be_unknown(name):
            seen.append(match)
        return "&lt;" + match[0][1:]
    if name in CODE:
        seen.append(match)
    if name in BREAKS:
        return BREAK
    if match[3].endswith("/"):  # <span id="x" />
        return ""
    hides = not match[1] and _HIDES.search(match[3])
    return f"<{match[1]}{name}{HIDDEN if hides else ''}>"


def balanced(line: str) -> str:
    """Remove from a line plain tags without a partner or nested too deep, and make its addresses plain, too."""
    if "[" in line:
        line = _plain_addresses(_HOST_IN_BRACKETS.sub(r"\1\2", line))
    pieces: list[str] = []
    opened: list[tuple[str, str, int]] = []  # (name, tag, its place in pieces)
    position = 0
    for tag in _PLAIN_TAG.finditer(line):
        pieces.append(line[position : tag.start()])
        position = tag.end()
        name = tag[2]
        pieces.append(PARTS.get(name, ""))
        if not tag[1]:
            opened.append((name, tag[0], len(pieces) - 1))
        elif any(name == other for other, _, _ in opened[-MAX_DEPTH:]):
            while opened[-1][0] != name:  # opened inside, and not closed there
                opened.pop()
            _, start, place = opened.pop()
            if len(opened) < MAX_DEPTH:
                pieces[place], pieces[-1] = start, tag[0]
    pieces.append(line[position:])
    return "".join(pieces)


def _plain_addresses(line: str) -> str:
    """Put a space after each address in brackets where something else ends it, write brackets in its label as the
    entities that mean them, and remove the brackets of addresses that nothing closes.
    """
    pieces: list[str] = []
    in_label: list[tuple[int, bool]] = []  # brackets since an address whose label is open: place, and if of an address
    position = 0
    for found in _BRACKET.finditer(line):
        pieces.append(line[position : found.start()])
        position = found.end()
        place = len(pieces)
        pieces.append(found[0])
        is_address = bool(found["rest"])
        if found["bracket"] == "]":
            for other, _ in in_label[1:]:
                pieces[other] = _BRACKET_AS_TEXT + pieces[other][1:]
            in_label = []
        elif is_address or (in_label and found["bracket"]):
            in_label.append((place, is_address))
        elif found["address"]:  # nothing follows the slashes
            pieces[place] = _BRACKET_AS_TEXT + pieces[place][1:]
        if is_address and len(in_label) == 1 and line[position : position + 1] not in ("", " ", "]"):
            pieces.append(" ")
    for place, is_address in in_label:
        pieces[place] = pieces[place][is_address:]
    return "".join(pieces) + line[position:]
