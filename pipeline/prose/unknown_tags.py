"""Find the tags of extensions that are not known, by how their page uses them.

MediaWiki shows what is no tag of an extension of the wiki, and a dump does not say which extensions that are. But what
is not meant to be read as a tag is hardly ever written like one in full: with an end, or closed in itself.
"""

import re
from collections import defaultdict
from collections.abc import Iterable

from pipeline.prose.signs import CUT

# What HTML has and MediaWiki does not allow: it shows these. Source: HTML Standard, "Index of elements" and "Obsolete
# features"; those that it allows are in prose/tags.py.
_HTML = frozenset([
    "a", "acronym", "address", "applet", "area", "article", "aside", "audio", "base", "basefont", "bgsound", "blink",
    "body", "button", "canvas", "col", "colgroup", "command", "datalist", "details", "dialog", "dir", "embed",
    "fieldset", "figcaption", "figure", "footer", "form", "frame", "frameset", "head", "header", "hgroup", "html",
    "iframe", "image", "img", "input", "isindex", "keygen", "label", "legend", "link", "main", "map", "marquee",
    "menu", "menuitem", "meta", "meter", "multicol", "nav", "nextid", "nobr", "noembed", "noframes", "noscript",
    "object", "optgroup", "option", "output", "param", "picture", "plaintext", "portal", "progress", "search",
    "select", "slot", "spacer", "summary", "svg", "template", "textarea", "title", "track", "video", "xmp",
])  # fmt: skip
CODE = frozenset(["code", "kbd", "samp", "tt"])  # in which a tag is shown as it is written
_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")
_SPACE = rf"[\s{CUT}]"  # where there was a template, too
_BLANK = re.compile(rf"{_SPACE}*+")
_VALUE = r"\"[^\"]*+\"|'[^']*+'|[^\s\"'=]++"
_ATTRIBUTES = re.compile(rf"(?:{_SPACE}++[a-zA-Z][\w:.-]*+{_SPACE}*+=\s*+(?:{_VALUE}))*+{_SPACE}*+")


def may_be_unknown(name: str) -> bool:
    """Return whether an extension may have tags of this name, which is in small letters and none of those known."""
    return name not in _HTML and _NAME.fullmatch(name) is not None


def unknown_tags(tags: Iterable[re.Match[str]]) -> dict[int, str]:
    """Return where the tags of unknown extensions start, and what is put in place of each.

    They are those that are closed in themselves, `<foo a="1"/>`, and those with an end, `<foo>` and `</foo>`. All have
    attributes with values, or none. In source text and in lines that start with a space there are none.

    Args:
        tags: of names that may be unknown, and of CODE, in the order of the page; groups: a slash, the name, the rest.
    """
    found: dict[int, str] = {}
    opened: defaultdict[str, list[re.Match[str]]] = defaultdict(list)
    code = ""  # the tag of source text that is open
    line_start = position = 0
    for tag in tags:
        text, (slash, name, rest) = tag.string, tag.groups("")
        line_start = max(line_start, text.rfind("\n", position, tag.start()) + 1)
        position, name, alone = tag.end(), name.lower(), not slash and rest.endswith("/")
        if name in CODE:
            if code in ("", name) and not alone:
                code = "" if slash else name
        elif code or text.startswith(" ", line_start) or not _ATTRIBUTES.fullmatch(rest, 0, len(rest) - alone):
            continue
        elif alone:
            found[tag.start()] = CUT
        elif not slash:
            opened[name].append(tag)
        elif opened[name]:
            start = opened[name].pop()
            found[start.start()] = ""
            found[tag.start()] = CUT if _BLANK.fullmatch(text, start.end(), tag.start()) else ""
    return found
