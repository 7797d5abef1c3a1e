"""Find the words that templates of numbers, units and dates make of their arguments (see template_words.py)."""

import re
import unicodedata

from pipeline.prose.template_arguments import Arguments, shown

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


def convert(given: Arguments) -> str:
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
    unit = "/".join(parts)
    return power + ("" if unit.startswith("/") else " ") + unit


def _raised(unit: str) -> str:
    return unit[:-1] + unit[-1].translate(_POWERS) if re.fullmatch("[a-zA-Z]{1,4}[23]", unit) else unit


def value(given: Arguments) -> str:
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


def power_of_ten(given: Arguments) -> str:
    """`5.98{{e|24}}`: what follows the number."""
    return f" × 10^{given.at(1)}" if re.fullmatch(r"[-−–+]?\d{1,4}", given.at(1)) else ""


def fraction(given: Arguments) -> str:
    """`frac|3|1|2`: three and a half; `frac|2`: a half."""
    parts = [part for part in (given.at(1), given.at(2), given.at(3)) if part]
    if len(parts) == 3:
        return f"{parts[0]} {parts[1]}/{parts[2]}"
    return "/".join(parts) if len(parts) == 2 else "".join(f"1/{part}" for part in parts)


def root(given: Arguments) -> str:
    """`sqrt|2|4`: the fourth root of 2."""
    return f"{_superscript(given.at(2))}√{given.at(1)}" if given.at(1) else ""


def _superscript(text: str) -> str:
    """Return digits of any script as superscripts, which Unicode has for European ones alone."""
    european = "".join(str(unicodedata.decimal(sign, sign)) for sign in text)
    return european.translate(_RAISED)


def gauge(given: Arguments) -> str:
    """`track gauge|1435mm`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?(mm|m|in|ft)", given.at(1))
    return f"{match[1]} {match[2]}" if match else ""


def date(given: Arguments) -> str:
    """`birth date|1879|3|14`: no names of months, so the form of ISO 8601; `dts|14 March 1879`: as it is."""
    parts = [given.at(number) for number in (1, 2, 3) if given.at(number)]
    if parts and re.fullmatch(r"\d{4}", parts[0]) and all(re.fullmatch(r"\d{1,2}", part) for part in parts[1:]):
        return "-".join(map(_two_digits, parts))
    return " ".join(parts)


def _two_digits(number: str) -> str:
    """Return a number with a zero of its own script before it, if it has one digit."""
    return number.rjust(2, chr(ord(number[0]) - unicodedata.decimal(number[0])))


def circa(given: Arguments) -> str:
    """`circa|1500|1510`: a year, or two."""
    years = [f"c. {year}" for year in (given.at(1), given.at(2)) if year]
    return " – ".join(years) or "c."


def amount(given: Arguments) -> str:
    """`CAD|5.30`: the code of the currency, and how much."""
    return f"{given.positional[0].upper()} {given.at(1)}" if given.at(1) else ""


def measure(given: Arguments) -> str:
    """`unité|10000|J||kg|-1`: a number, then units, each with its power."""
    words, rest = given.at(1), [shown(part) for part in given.positional[2:]]
    if words and (power := given.text("e")):
        words += f" × 10^{power}"
    units = [_raised_unit(unit, power) for unit, power in zip(rest[::2], [*rest[1::2], ""], strict=False) if unit]
    return f"{words} {'⋅'.join(units)}".strip() if words else ""


def _raised_unit(unit: str, power: str) -> str:
    return unit + _superscript(power) if re.fullmatch(r"[-−]?\d{1,2}", power) else unit


def prefixed_measure(given: Arguments) -> str:
    """`M|10|k|m` and `M|5|0,2|m`: a number, the prefix of its unit or how far off it may be, its unit."""
    words, second, unit = given.at(1), given.at(2), given.text("u", "ul") or given.at(3)
    if re.fullmatch(r"[\d.,]+", second):
        words, second = f"{words} ± {second}", ""
    return f"{words} {second}{unit}".strip() if given.at(1) else ""


def day_month_year(given: Arguments) -> str:
    """`date|14|mars|1879`; with the month as a number, the form of ISO 8601."""
    day, month, year = (given.at(number) for number in (1, 2, 3))
    if re.fullmatch(r"\d{1,2}", day) and re.fullmatch(r"\d{1,2}", month) and re.fullmatch(r"\d{4}", year):
        return "-".join(map(_two_digits, (year, month, day)))
    return " ".join(part for part in (day, month, year) if part)


def siglo(given: Arguments) -> str:
    """`siglo|V|a|s`: a century, its era (a: before Christ, d: after), and whether the word is shown."""
    number, era, word = (given.at(place) for place in (1, 2, 3))
    before, after = {"s": "siglo ", "S": "Siglo "}.get(word, ""), {"a": " a. C.", "d": " d. C."}.get(era, "")
    return f"{before}{number}{after}" if number else ""
