"""Find the words, as wikitext, that a known template makes of its arguments; "" where it makes none.

Only what holds in every edition is here: the words are the author's, and no month, unit or currency is translated.
"""

import html
import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

# Codes of `convert` that are not shown as they are written. Source: Template:Convert, list of units.
_UNITS = {
    "sqmi": "sq mi", "sqft": "sq ft", "sqkm": "km²", "sqm": "m²", "mi2": "sq mi", "ft2": "sq ft", "cuft": "cu ft",
    "ft3": "cu ft", "cumi": "cu mi", "C": "°C", "F": "°F", "C-change": "°C", "F-change": "°F", "K-change": "K",
    "lb-f": "lbf", "kph": "km/h", "acre": "acres", "impgal": "imp gal", "USgal": "US gal", "oilbbl": "bbl",
    "koilbbl": "kbbl", "Moilbbl": "Mbbl", "Goilbbl": "Gbbl", "PD": "",
}  # fmt: skip
_POWERS = str.maketrans("23", "²³")
_RAISED = str.maketrans("0123456789+-−()ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁽⁾ⁿⁱ")
_RANGES = {
    "-": "–", "–": "–", "to": " to ", "and": " and ", "or": " or ", "x": " × ", "by": " by ", "xx": " × ", "*": " × ",
    "to(-)": " to ", "and(-)": " and ", "+/-": " ± ", "±": " ± ", "+": " + ", "/": "/", "&": " and ",
}  # fmt: skip


class Arguments(NamedTuple):
    """What stands between the bars of a template."""

    positional: list[str]  # the first is the known name of the template, in lower case
    named: dict[str, str]

    def at(self, number: int) -> str:
        """Return the argument of that number, from 1, given by position or by name; "" where there is none."""
        by_position = self.positional[number] if number < len(self.positional) else ""
        return _shown(self.named.get(str(number), by_position))

    def text(self, *names: str) -> str:
        """Return the first of the named arguments that is given and not empty, or ""."""
        return next((text for name in names if (text := _shown(self.named.get(name, "")))), "")


def _shown(argument: str) -> str:
    """Return an argument without space around it; "" if it holds nothing but cuts (signs.CUT)."""
    return argument.strip() if argument.strip(" \t\n\x03") else ""


def _first(given: Arguments) -> str:
    return given.at(1)


def _second(given: Arguments) -> str:
    return given.at(2) or given.text("text")


def _last(given: Arguments) -> str:
    """`transl` has its text last: after the language, and maybe a standard."""
    return given.at(3) or given.at(2) or given.at(1)


def _joined(given: Arguments) -> str:
    """`chem|H|2|O`: pieces of one word."""
    return "".join(part.strip() for part in given.positional[1:])


def _fixed(text: str) -> Callable[[Arguments], str]:
    return lambda given: text


def _between(before: str, after: str = "") -> Callable[[Arguments], str]:
    """Return the first argument between two marks; nothing where there is none."""
    return lambda given: f"{before}{text}{after}" if (text := given.at(1)) else ""


def _convert(given: Arguments) -> str:
    """`convert|6|ft|2|in|m`: pairs of value and unit, or `5|to|10|km|mi`: a range.

    What it is converted to goes, since it takes a table of factors and each edition's way of rounding; where only that
    would be shown (`disp=out`), the input says the same.
    """
    words = _number(given.at(1))
    rest = [part.strip() for part in given.positional[2:]]
    while len(rest) >= 2 and rest[0] in _RANGES:
        words += _RANGES[rest[0]] + _number(rest[1])
        rest = rest[2:]
    if not rest or not words:
        return words
    words += _unit(rest[0])
    if len(rest) >= 3 and re.fullmatch(r"\d+(?:[./]\d+)?", rest[1]):
        words += f" {rest[1]}{_unit(rest[2])}"
    return words


def _number(text: str) -> str:
    """`1+1/2` and `1//2` are the ways in which `convert` takes fractions."""
    return re.sub(r"(?<=\d)\+(?=\d)", " ", text).replace("//", "/")


def _unit(code: str) -> str:
    """Return a code of `convert` with the space before it: `km2`, `/sqmi`, `e6acre`, `m/s2`."""
    code, power = code.strip(), ""
    if multiple := re.match("e([0-9]{1,2})(?=[a-zA-Z])", code):  # e6acre
        code, power = code[multiple.end() :], f" × 10^{multiple[1]}"
    parts = [_UNITS[part] if part in _UNITS else _raised(part) for part in code.split("/")]
    shown = "/".join(parts)
    return power + ("" if shown.startswith("/") else " ") + shown


def _raised(unit: str) -> str:
    return unit[:-1] + unit[-1].translate(_POWERS) if re.fullmatch("[a-zA-Z]{1,4}[23]", unit) else unit


def _value(given: Arguments) -> str:
    """`val|1.5|0.2|e=6|u=km`: a number, how far off it may be, its power of ten, its unit."""
    words, off = given.at(1), given.at(2)
    if re.fullmatch(r"\([\d.]+\)", off):
        words += off
    elif re.fullmatch(r"[\d.,٫٬]+", off):
        words += f" ± {off}"
    if power := given.text("e"):
        words += f" × 10^{power}"
    unit = given.text("u", "ul")
    if per := given.text("up", "upl"):
        unit += f"/{per}"
    return f"{given.text('p')}{words} {unit}".strip() + given.text("s")


def _power_of_ten(given: Arguments) -> str:
    """`5.98{{e|24}}`: what follows the number."""
    return f" × 10^{given.at(1)}" if re.fullmatch(r"[-−–+]?\d{1,4}", given.at(1)) else ""


def _fraction(given: Arguments) -> str:
    parts = [part for part in (given.at(1), given.at(2), given.at(3)) if part]
    if len(parts) == 3:
        return f"{parts[0]} {parts[1]}/{parts[2]}"
    return "/".join(parts) if len(parts) == 2 else "".join(f"1/{part}" for part in parts)


def _root(given: Arguments) -> str:
    """`sqrt|2|4`: the fourth root of 2."""
    return f"{given.at(2).translate(_RAISED)}√{given.at(1)}" if given.at(1) else ""


def _keys(given: Arguments) -> str:
    """`key press|Ctrl|C`: keys that are pressed together."""
    return "+".join(part for part in map(_shown, given.positional[1:]) if part)


def _label(given: Arguments) -> str:
    """`no redirect|title|label`: the label, else the title."""
    return given.at(2) or given.at(1)


def _gauge(given: Arguments) -> str:
    """`track gauge|1435mm`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?(mm|m|in|ft)", given.at(1))
    return f"{match[1]} {match[2]}" if match else ""


def _date(given: Arguments) -> str:
    """`birth date|1879|3|14`: no names of months, so the form of ISO 8601; `dts|14 March 1879`: as it is."""
    parts = [given.at(number) for number in (1, 2, 3) if given.at(number)]
    if parts and re.fullmatch(r"\d{4}", parts[0]) and all(re.fullmatch(r"\d{1,2}", part) for part in parts[1:]):
        zero = chr(ord(parts[0][0]) - unicodedata.decimal(parts[0][0]))  # of the same script
        return "-".join(part.rjust(2, zero) for part in parts)
    return " ".join(parts)


def _circa(given: Arguments) -> str:
    years = [f"c. {year}" for year in (given.at(1), given.at(2)) if year]
    return " – ".join(years) or "c."


def _as_of(given: Arguments) -> str:
    """Its words are those of the edition, unless the author gives others."""
    return given.text("alt")


def _ipa(given: Arguments) -> str:
    """`IPA|/a/` is a word of the sentence; `IPA|de|a` and its like are notes on how a name is spoken, and go."""
    return given.at(1) if len(given.positional) == 2 or given.at(1)[:1] in ("/", "[", "⟨", "|") else ""


def _japanese(given: Arguments) -> str:
    """`nihongo|translation|Japanese|in Latin letters|more`: each may be missing."""
    shown, *notes = [given.at(number) for number in (1, 2, 3, 4)]
    if not shown:
        shown, notes = notes[1], [notes[0], notes[2]]
    noted = ", ".join(note for note in notes if note)
    return f"{shown} ({noted})" if shown and noted else shown or noted


def _interlanguage(given: Arguments) -> str:
    """`ill|title|de|Titel|lt=label`, of old `ill|de|title|Titel`."""
    code_first = re.fullmatch("[a-z]{2,3}", given.at(1)) and given.at(2)
    return given.text("lt") or (given.at(2) if code_first else given.at(1))


def _code(given: Arguments) -> str:
    """Source text, which is no wikitext."""
    return html.escape(given.text("code", "text") or given.at(1), quote=False)


def _quotation(given: Arguments) -> str:
    """`quote|text|author|source`: a paragraph of its own, without where it is from."""
    text = given.text("text", "quote") or given.at(1)
    return f"\n{text}\n" if text else ""


def _sic(given: Arguments) -> str:
    shown = "".join(part for part in given.positional[1:] if part.strip() not in ("!", "?"))
    return shown if given.text("hide") else f"{shown} [sic]".strip()


def _ship(given: Arguments) -> str:
    """`USS|Hornet|CV-12`: prefix and name."""
    return f"{given.positional[0].upper()} {given.at(1)}" if given.at(1) else ""


def _any_ship(given: Arguments) -> str:
    """`ship|HMS|Hood|51`: prefix, which may be empty, and name."""
    return f"{given.at(1)} {given.at(2)}".strip() if given.at(2) else ""


def _ship_class(given: Arguments) -> str:
    """`sclass|Nimitz|aircraft carrier`: the class and what its ships are; the English name has English words."""
    return f"{given.at(1)}-class {given.at(2)}".strip() if given.at(1) else ""


def _amount(given: Arguments) -> str:
    """`CAD|5.30`: the code of the currency, and how much."""
    return f"{given.positional[0].upper()} {given.at(1)}" if given.at(1) else ""


def _measure(given: Arguments) -> str:
    """`unité|10000|J||kg|-1`: a number, then units, each with its power."""
    words, rest = given.at(1), [_shown(part) for part in given.positional[2:]]
    if words and (power := given.text("e")):
        words += f" × 10^{power}"
    units = [_raised_unit(unit, power) for unit, power in zip(rest[::2], [*rest[1::2], ""], strict=False) if unit]
    return f"{words} {'⋅'.join(units)}".strip() if words else ""


def _raised_unit(unit: str, power: str) -> str:
    return unit + power.translate(_RAISED) if re.fullmatch(r"[-−]?\d{1,2}", power) else unit


def _prefixed_measure(given: Arguments) -> str:
    """`M|10|k|m` and `M|5|0,2|m`: a number, the prefix of its unit or how far off it may be, its unit."""
    words, second, unit = given.at(1), given.at(2), given.text("u", "ul") or given.at(3)
    if re.fullmatch(r"[\d.,]+", second):
        words, second = f"{words} ± {second}", ""
    return f"{words} {second}{unit}".strip() if given.at(1) else ""


def _day_month_year(given: Arguments) -> str:
    """`date|14|mars|1879`; with the month as a number, the form of ISO 8601."""
    day, month, year = (given.at(number) for number in (1, 2, 3))
    if re.fullmatch(r"\d{1,2}", day) and re.fullmatch(r"\d{1,2}", month) and re.fullmatch(r"\d{4}", year):
        return f"{year}-{month:0>2}-{day:0>2}"
    return " ".join(part for part in (day, month, year) if part)


def _siglo(given: Arguments) -> str:
    """`siglo|V|a|s`: a century, its era (a: before Christ, d: after), and whether the word is shown."""
    number, era, word = (given.at(place) for place in (1, 2, 3))
    before, after = {"s": "siglo ", "S": "Siglo "}.get(word, ""), {"a": " a. C.", "d": " d. C."}.get(era, "")
    return f"{before}{number}{after}" if number else ""


# The name of a template, in lower case -> its words. docs/clean-text.md lists the same names.
WORDS: dict[str, Callable[[Arguments], str]] = {
    **dict.fromkeys(("convert", "cvt"), _convert),
    **dict.fromkeys(("val",), _value),
    **dict.fromkeys(("e",), _power_of_ten),
    **dict.fromkeys(("frac", "fraction", "sfrac"), _fraction),
    **dict.fromkeys(("sqrt", "radic"), _root),
    **dict.fromkeys(("track gauge", "railgauge"), _gauge),
    **dict.fromkeys(("chem", "chem2", "not a typo"), _joined),
    **dict.fromkeys(("aud", "cad", "chf", "cny", "eur", "gbp", "inr", "jpy", "nzd", "rub", "usd"), _amount),
    **dict.fromkeys(("us$",), _between("US$")),
    **dict.fromkeys(
        ("birth date", "birth date and age", "death date", "death date and age", "start date", "start date and age",
         "end date", "dts", "bda", "dob"),
        _date,
    ),
    **dict.fromkeys(("circa", "c."), _circa),
    **dict.fromkeys(("as of",), _as_of),
    **dict.fromkeys(("lang", "langx", "rtl-lang", "wikt-lang", "script", "color", "colour"), _second),
    **dict.fromkeys(("resize", "no redirect"), _label),
    **dict.fromkeys(("key", "key press"), _keys),
    **dict.fromkeys(("transl", "transliteration", "tlit"), _last),
    **dict.fromkeys(("nihongo",), _japanese),
    **dict.fromkeys(("ipa",), _ipa),
    **dict.fromkeys(("ipaslink",), _between("/", "/")),
    **dict.fromkeys(("ipablink",), _between("[", "]")),
    **dict.fromkeys(("angbr", "angle bracket", "grapheme"), _between("⟨", "⟩")),
    **dict.fromkeys(
        ("nowrap", "nobr", "nobreak", "abbr", "tooltip", "small", "smaller", "big", "larger", "smallcaps", "sc", "sub",
         "sup", "em", "strong", "underline", "overline", "mono", "kbd", "samp", "vanchor", "visible anchor",
         "linktext", "char", "iast", "unicode", "polytonic", "nq", "nihongo2", "mvar", "math", "big math", "formatnum",
         "flag", "flagu", "flagcountry", "stn"),
        _first,
    ),
    **dict.fromkeys(("code",), _code),
    **dict.fromkeys(("quote", "cquote", "bquote", "blockquote", "quotation"), _quotation),
    **dict.fromkeys(("sic",), _sic),
    **dict.fromkeys(("ill", "interlanguage link"), _interlanguage),
    **dict.fromkeys(("uss", "hms", "hmas", "hmcs", "rms", "usns"), _ship),
    **dict.fromkeys(("ship",), _any_ship),
    **dict.fromkeys(("sclass",), _ship_class),
    **dict.fromkeys(("ietf rfc",), _between("RFC ")),
    **dict.fromkeys(("ndash", "en dash", "endash", "ndashb", "–"), _fixed("–")),
    **dict.fromkeys(("snd", "snds", "spaced ndash", "spaced en dash", "spnd"), _fixed(" – ")),
    **dict.fromkeys(("mdash", "em dash", "emdash", "mdashb", "—"), _fixed("—")),
    **dict.fromkeys(("nbsp", "space", "spaces"), _fixed(" ")),
    **dict.fromkeys(("·", "dot"), _fixed(" · ")),
    **dict.fromkeys(("•",), _fixed(" • ")),
    **dict.fromkeys(("\\",), _fixed(" / ")),
    "'": _fixed("'"),
    "'s": _fixed("'s"),
    "pi": _fixed("π"),
    "eqm": _fixed("⇌"),
    "!": _fixed("|"),
    "=": _fixed("&#61;"),  # inside another template, a bare "=" would name an argument
}  # fmt: skip
# Families: a name is matched as a whole.
SHAPES: dict[str, Callable[[Arguments], str]] = {
    "lang-[a-z0-9-]{2,20}": _first,
    "script/[a-z0-9 -]{1,30}": _first,
}
# Ways to show arguments that no template is named after: what names of single editions stand for.
FORMS: dict[str, Callable[[Arguments], str]] = {
    "#measure": _measure,
    "#prefixed measure": _prefixed_measure,
    "#day month year": _day_month_year,
    "#siglo": _siglo,
}
