"""Write HTML tags in a plain and balanced form, which mwparserfromhell reads in linear time.

The parser backtracks when an opening has no end, which takes quadratic time on a page that is broken or hostile. So
every tag that it sees is a known one, has a partner on its line, and is nested at most MAX_DEPTH deep.
"""

import re

MAX_DEPTH = 16
HIDDEN = ' style="display:none"'
BREAKS = frozenset(["br", "hr"])
BLOCKS = frozenset([
    "blockquote", "center", "dd", "div", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "li", "ol", "p", "poem",
    "section", "td", "th", "tr", "ul", "br", "hr",
])  # fmt: skip
INLINE = frozenset([
    "abbr", "b", "bdi", "bdo", "big", "caption", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins",
    "kbd", "mark", "noinclude", "onlyinclude", "q", "rb", "rp", "rt", "rtc", "ruby", "s", "samp", "small", "span",
    "strike", "strong", "sub", "sup", "tbody", "tfoot", "thead", "time", "tt", "u", "var", "wbr",
    "translate", "tvar", "langconvert", "spoiler", "nomobile", "mobileonly",  # of extensions
])  # fmt: skip
_LESS_THAN = re.compile(r"<(?:(/?)([a-zA-Z][a-zA-Z0-9]{0,30})([^<>]*)>)?")
_HIDES = re.compile(r"display[ ]?:[ ]?none", re.IGNORECASE)
_PLAIN_TAG = re.compile(r"<(/?)([a-z0-9]+)[^<>]*>")
# An address in brackets that something else than a space ends. Source: MediaWiki's `Parser::EXT_LINK_URL_CLASS`.
_ADDRESS_END = re.compile(r"(\[(?:[a-zA-Z]{1,12}:)?//[^\s\[\]<>\"]++)(?=[^ \[\]])")
_HOST_IN_BRACKETS = re.compile(r"(?<=\[)((?:[a-zA-Z]{1,12}:)?//)\[([0-9a-fA-F:.]+)\]")
# A bracket before an address which is not closed on the line; links may stand in between.
_OPEN_ADDRESS = re.compile(r"(?<!\[)\[(?=[a-zA-Z]{0,12}:|//)(?![^\[\]]*+(?:\[\[[^\[\]]*+\]\][^\[\]]*+)*+\])")


def plain_tags(text: str, extensions: frozenset[str]) -> str:
    """Write known tags without attributes, breaks as line feeds, and any other '<' as the entity that means it.

    Args:
        text: wikitext.
        extensions: names of extension tags; those without a partner, which `prose.cut.cut` leaves, are removed.
    """
    if "<tvar|" in text:  # its old form, `<tvar|name>words</>`
        text = text.replace("</>", "")
    return _LESS_THAN.sub(lambda match: _plain_tag(match, extensions), text)


def _plain_tag(match: re.Match[str], extensions: frozenset[str]) -> str:
    name = (match[2] or "").lower()
    if name in extensions or name in ("table", "nowiki"):
        return ""
    if name not in BLOCKS and name not in INLINE:
        return "&lt;" + match[0][1:]
    if name in BREAKS:
        return "\n"
    if match[3].endswith("/"):  # <span id="x" />
        return ""
    hides = not match[1] and _HIDES.search(match[3])
    return f"<{match[1]}{name}{HIDDEN if hides else ''}>"


def balanced(line: str) -> str:
    """Remove from a line plain tags without a partner or nested too deep, and brackets of unclosed addresses.

    An address in brackets is followed by a space, where something else ends it.
    """
    line = _OPEN_ADDRESS.sub("", _ADDRESS_END.sub(r"\1 ", _HOST_IN_BRACKETS.sub(r"\1\2", line)))
    pieces: list[str] = []
    opened: list[tuple[str, str, int]] = []  # (name, tag, its place in pieces)
    position = 0
    for tag in _PLAIN_TAG.finditer(line):
        pieces.append(line[position : tag.start()])
        position = tag.end()
        name = tag[2]
        stray = "\n" if name in BLOCKS else ""
        pieces.append(stray)
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
