"""Know the templates that stand for words, and the words, as wikitext, that each makes of its arguments; "" for none.

Only what holds in every edition is here: the words are the author's, and no month, unit or currency is translated.
"""

import html
import re
from collections.abc import Callable

from pipeline.prose import template_numbers as numbers
from pipeline.prose.template_arguments import Arguments, shown


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


def _keys(given: Arguments) -> str:
    """`key press|Ctrl|C`: keys that are pressed together."""
    return "+".join(part for part in map(shown, given.positional[1:]) if part)


def _coloured(given: Arguments) -> str:
    """`font color|red|text` and `font color|red|yellow|text`."""
    return given.at(3) or _second(given)


def _label(given: Arguments) -> str:
    """`no redirect|title|label`: the label, else the title."""
    return given.at(2) or given.at(1)


def _as_of(given: Arguments) -> str:
    """Its words are those of the edition, unless the author gives others."""
    return given.text("alt")


def _ipa(given: Arguments) -> str:
    """`IPA|/a/` is a word of the sentence; `IPA|de|a` and its like are notes on how a name is spoken, and go."""
    return given.at(1) if len(given.positional) == 2 or given.at(1)[:1] in ("/", "[", "⟨", "|") else ""


def _japanese(given: Arguments) -> str:
    """`nihongo|translation|Japanese|in Latin letters|more`: each may be missing."""
    name, *notes = [given.at(number) for number in (1, 2, 3, 4)]
    if not name:
        name, notes = notes[1], [notes[0], notes[2]]
    noted = ", ".join(note for note in notes if note)
    return f"{name} ({noted})" if name and noted else name or noted


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
    words = "".join(part for part in given.positional[1:] if part.strip() not in ("!", "?"))
    return words if given.text("hide") else f"{words} [sic]".strip()


def _ship(given: Arguments) -> str:
    """`USS|Hornet|CV-12`: prefix and name."""
    return f"{given.positional[0].upper()} {given.at(1)}" if given.at(1) else ""


def _any_ship(given: Arguments) -> str:
    """`ship|HMS|Hood|51`: prefix, which may be empty, and name."""
    return f"{given.at(1)} {given.at(2)}".strip() if given.at(2) else ""


def _ship_class(given: Arguments) -> str:
    """`sclass|Nimitz|aircraft carrier`: the class and what its ships are; the English name has English words."""
    return f"{given.at(1)}-class {given.at(2)}".strip() if given.at(1) else ""


# The name of a template, in lower case -> its words. docs/clean-text.md lists the same names.
WORDS: dict[str, Callable[[Arguments], str]] = {
    **dict.fromkeys(("convert", "cvt"), numbers.convert),
    **dict.fromkeys(("val",), numbers.value),
    **dict.fromkeys(("e",), numbers.power_of_ten),
    **dict.fromkeys(("frac", "fraction", "sfrac"), numbers.fraction),
    **dict.fromkeys(("sqrt", "radic"), numbers.root),
    **dict.fromkeys(("track gauge", "railgauge"), numbers.gauge),
    **dict.fromkeys(("chem", "chem2", "not a typo"), _joined),
    **dict.fromkeys(("aud", "cad", "chf", "cny", "eur", "gbp", "inr", "jpy", "nzd", "rub", "usd"), numbers.amount),
    **dict.fromkeys(("us$",), _between("US$")),
    **dict.fromkeys(
        ("birth date", "birth date and age", "death date", "death date and age", "start date", "start date and age",
         "end date", "dts", "bda", "dob", "dda", "dod", "birthdate", "birth-date", "death-date", "birth-date and age",
         "death-date and age"),
        numbers.date,
    ),
    **dict.fromkeys(("circa", "c."), numbers.circa),
    **dict.fromkeys(("as of",), _as_of),
    **dict.fromkeys(("lang", "langx", "rtl-lang", "wikt-lang", "script", "color", "colour"), _second),
    **dict.fromkeys(("font color", "fontcolor", "font colour"), _coloured),
    **dict.fromkeys(("resize", "no redirect", "noredirect"), _label),
    **dict.fromkeys(("key", "key press", "keypress"), _keys),
    **dict.fromkeys(("transl", "transliteration", "tlit"), _last),
    **dict.fromkeys(("nihongo",), _japanese),
    **dict.fromkeys(("ipa",), _ipa),
    **dict.fromkeys(("ipaslink",), _between("/", "/")),
    **dict.fromkeys(("ipablink",), _between("[", "]")),
    **dict.fromkeys(("angbr", "angle bracket", "grapheme", "angbr ipa"), _between("⟨", "⟩")),
    **dict.fromkeys(
        ("nowrap", "nobr", "nobreak", "abbr", "tooltip", "small", "smaller", "big", "larger", "smallcaps", "sc", "sub",
         "sup", "em", "strong", "underline", "overline", "mono", "kbd", "samp", "vanchor", "visible anchor",
         "linktext", "char", "iast", "unicode", "polytonic", "nq", "nihongo2", "mvar", "math", "big math", "formatnum",
         "flag", "flagu", "flagcountry", "stn", "stnlnk", "rws"),
        _first,
    ),
    **dict.fromkeys(("code",), _code),
    **dict.fromkeys(("quote", "cquote", "bquote", "blockquote", "quotation"), _quotation),
    **dict.fromkeys(("sic",), _sic),
    **dict.fromkeys(("ill", "interlanguage link"), _interlanguage),
    **dict.fromkeys(("uss", "hms", "hmas", "hmcs", "rms", "usns"), _ship),
    **dict.fromkeys(("ship",), _any_ship),
    **dict.fromkeys(("sclass", "sclass2", "sclass-", "sclass2-"), _ship_class),
    **dict.fromkeys(("ietf rfc",), _between("RFC ")),
    **dict.fromkeys(("ndash", "en dash", "endash", "en-dash", "ndashb", "–"), _fixed("–")),
    **dict.fromkeys(("snd", "snds", "spaced ndash", "spaced en dash", "spnd"), _fixed(" – ")),
    **dict.fromkeys(("mdash", "em dash", "emdash", "em-dash", "mdashb", "—"), _fixed("—")),
    **dict.fromkeys(("nbsp", "space", "spaces"), _fixed(" ")),
    **dict.fromkeys(("thinsp", "thin space"), _fixed("\u2009")),
    **dict.fromkeys(("hsp", "hair space"), _fixed("\u200a")),
    **dict.fromkeys(("nnbsp",), _fixed("\u202f")),
    **dict.fromkeys(("nbhyph", "nbh"), _fixed("\u2011")),
    **dict.fromkeys(("·", "dot", "middot"), _fixed(" · ")),
    **dict.fromkeys(("•", "bull", "bullet"), _fixed(" • ")),
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
    "#measure": numbers.measure,
    "#prefixed measure": numbers.prefixed_measure,
    "#day month year": numbers.day_month_year,
    "#siglo": numbers.siglo,
}
