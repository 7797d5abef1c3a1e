"""The inside of a template or a language-variant mark in, the words it puts into the running text out.

Most templates are boxes and notes, and go. A few stand for words in the middle of a sentence, mean the same in every
edition, and would leave a hole: their arguments already hold the words.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

MAX_CHARS = 1000  # longer templates are no words in a sentence
_SPLIT = re.compile(r"\|(?![^\[\]]*\]\])")  # not the bars inside links
_NAMED = re.compile(r"[ \t\n]{0,9}([\w .-]{1,30}?)[ \t]{0,9}=(.*)", re.DOTALL)
_VARIANT = re.compile(r"(?:[^;:]*=>)?[ \t\n]*([a-z]{2,4}(?:-[a-z]{2,8})*)[ \t]*:([^;]*)(?:;|$)")
# Codes of `convert` that are not written as they are spoken of. Source: Template:Convert, list of units.
_UNITS = {
    "sqmi": "sq mi", "sqft": "sq ft", "sqkm": "km²", "sqm": "m²", "km2": "km²",
    "m2": "m²", "cm2": "cm²", "mi2": "sq mi", "ft2": "sq ft", "m3": "m³",
    "km3": "km³", "cuft": "cu ft", "cumi": "cu mi", "C": "°C", "F": "°F",
    "nmi": "nmi", "lb-f": "lbf", "kph": "km/h", "km/h2": "km/h²", "acre": "acres",
    "impgal": "imp gal", "USgal": "US gal",
}  # fmt: skip
_RANGES = {
    "-": "–", "–": "–", "to": " to ", "and": " and ", "or": " or ", "x": " × ", "by": " by ", "xx": " × ", "*": " × ",
    "to(-)": " to ", "+/-": " ± ", "±": " ± ", "+": " + ", "/": "/", "&": " and ",
}  # fmt: skip


class _Arguments(NamedTuple):
    positional: list[str]  # the first is the name of the template
    named: dict[str, str]

    def at(self, number: int) -> str:
        """The argument of that number, from 1, given by place or by name; "" where there is none."""
        by_place = self.positional[number] if number < len(self.positional) else ""
        return self.named.get(str(number), by_place).strip()


def expand(content: str) -> str | None:
    """The words that `{{content}}` puts into the text, as wikitext; None for the many templates that are not known."""
    name = content.partition("|")[0].strip().replace("_", " ")
    name, colon, value = name.partition(":")
    if colon:  # a parser function: its first argument follows the colon
        return value.strip() if name.strip().lower() == "formatnum" else None
    words = _WORDS.get(name.lower())
    if words is None:
        words = _first if re.fullmatch(r"lang-[a-z-]{2,20}", name.lower()) else None
    return words(_arguments(content)) if words else None


def variant(content: str, language: str | None) -> str:
    """What `-{content}-` shows: the text of the wiki's own language where there is a choice, else the first."""
    flags, bar, rule = content.partition("|")
    if not bar:
        flags, rule = "", content
    if set(flags) & set("HT-"):
        return ""
    choices = _VARIANT.findall(rule)
    if not choices or "R" in flags:
        return rule
    return next((text for code, text in choices if code == language), choices[0][1]).strip()


def _arguments(content: str) -> _Arguments:
    positional: list[str] = []
    named: dict[str, str] = {}
    for part in _SPLIT.split(content):
        match = _NAMED.fullmatch(part) if positional else None
        if match:
            named[match[1]] = match[2]
        else:
            positional.append(part)
    return _Arguments(positional, named)


def _first(given: _Arguments) -> str:
    return given.at(1)


def _second(given: _Arguments) -> str:
    return given.at(2) or given.named.get("text", "").strip()


def _last(given: _Arguments) -> str:
    """`transl` has its text last: after the language, and maybe a standard."""
    return given.at(3) or given.at(2)


def _convert(given: _Arguments) -> str:
    """`convert|6|ft|2|in|m`: pairs of value and unit, or `5|to|10|km|mi`: a range; what it is converted to goes."""
    words = given.at(1)
    rest = [part.strip() for part in given.positional[2:]]
    while len(rest) >= 2 and rest[0] in _RANGES:
        words += _RANGES[rest[0]] + rest[1]
        rest = rest[2:]
    if not rest or not words:
        return words
    words += f" {_UNITS.get(rest[0], rest[0])}"
    if len(rest) >= 3 and re.fullmatch(r"[0-9]+(?:[./][0-9]+)?", rest[1]):
        words += f" {rest[1]} {_UNITS.get(rest[2], rest[2])}"
    return words


def _value(given: _Arguments) -> str:
    """`val|1.5|e=6|u=km`: a number, its power of ten, its unit."""
    words = given.at(1)
    uncertainty, power = given.at(2), given.named.get("e", "").strip()
    unit = (given.named.get("u") or given.named.get("ul") or "").strip()
    words += f" ± {uncertainty}" if re.fullmatch("[0-9.,]+", uncertainty) else ""
    words += f" × 10^{power}" if power else ""
    return f"{words} {unit}".strip()


def _fraction(given: _Arguments) -> str:
    parts = [part for part in (given.at(1), given.at(2), given.at(3)) if part]
    if len(parts) == 3:
        return f"{parts[0]} {parts[1]}/{parts[2]}"
    return "/".join(parts) if len(parts) == 2 else "".join(f"1/{part}" for part in parts)


def _fixed(text: str) -> Callable[[_Arguments], str]:
    return lambda given: text


_WORDS: dict[str, Callable[[_Arguments], str]] = {
    **dict.fromkeys(("convert", "cvt"), _convert),
    **dict.fromkeys(("lang", "langx"), _second),
    **dict.fromkeys(("transl", "transliteration"), _last),
    **dict.fromkeys(("nowrap", "nobr", "nobreak", "abbr", "iast", "unicode", "mvar", "formatnum", "small"), _first),
    **dict.fromkeys(("val",), _value),
    **dict.fromkeys(("frac", "fraction", "sfrac"), _fraction),
    **dict.fromkeys(("ndash", "en dash"), _fixed("–")),
    **dict.fromkeys(("snd", "spaced ndash", "spnd"), _fixed(" – ")),
    **dict.fromkeys(("mdash", "em dash"), _fixed("—")),
    **dict.fromkeys(("nbsp", "space", "·", "•"), _fixed(" ")),
    "'": _fixed("'"),
    "!": _fixed("|"),
    "=": _fixed("="),
}
