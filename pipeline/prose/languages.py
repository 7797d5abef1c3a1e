"""Know the codes of languages that mean something in wikitext: of other editions, and of variants of one language."""

import re

# Codes of the editions of Wikipedia, which are prefixes of links to them from any wiki of Wikimedia. Source:
# meta.wikimedia.org, "List of Wikipedias" and "Interwiki map". `mos` is left out: on several wikis it is a namespace.
EDITIONS = frozenset([
    "aa", "ab", "abr", "ace", "ady", "af", "ak", "als", "alt", "am", "ami", "an", "ang", "ann", "anp", "ar", "arc",
    "ary", "arz", "as", "ast", "atj", "av", "avk", "awa", "ay", "az", "azb", "ba", "ban", "bar", "bat-smg", "bbc",
    "bcl", "bdr", "be", "be-tarask", "be-x-old", "bew", "bg", "bh", "bho", "bi", "bjn", "blk", "bm", "bn", "bo",
    "bpy", "br", "bs", "btm", "bug", "bxr", "ca", "cbk-zam", "cdo", "ce", "ceb", "ch", "cho", "chr", "chy",
    "ckb", "co", "cr", "crh", "cs", "csb", "cu", "cv", "cy", "cz", "da", "dag", "de", "dga", "din", "diq", "dk",
    "dsb", "dtp", "dty", "dv", "dz", "ee", "el", "eml", "en", "eo", "epo", "es", "et", "eu", "ext", "fa", "fat", "ff",
    "fi", "fiu-vro", "fj", "fo", "fon", "fr", "frp", "frr", "fur", "fy", "ga", "gag", "gan", "gcr", "gd", "gl", "glk",
    "gn", "gom", "gor", "got", "gpe", "gsw", "gu", "guc", "gur", "guw", "gv", "ha", "hak", "haw", "he", "hi", "hif",
    "ho", "hr", "hsb", "ht", "hu", "hy", "hyw", "hz", "ia", "iba", "id", "ie", "ig", "igl", "ii", "ik", "ilo", "inh",
    "io", "is", "it", "iu", "ja", "jam", "jbo", "jp", "jv", "ka", "kaa", "kab", "kbd", "kbp", "kcg", "kg", "kge",
    "ki", "kj", "kk", "kl", "km", "kn", "knc", "ko", "koi", "kr", "krc", "ks", "ksh", "ku", "kus", "kv", "kw", "ky",
    "la", "lad", "lb", "lbe", "lez", "lfn", "lg", "li", "lij", "lld", "lmo", "ln", "lo", "lrc", "lt", "ltg", "lv",
    "lzh", "mad", "mai", "map-bms", "mdf", "mg", "mh", "mhr", "mi", "min", "minnan", "mk", "ml", "mn", "mni", "mnw",
    "mo", "mr", "mrj", "ms", "mt", "mus", "mwl", "my", "myv", "mzn", "na", "nah", "nan", "nap", "nb", "nds", "nds-nl",
    "ne", "new", "ng", "nia", "nl", "nn", "no", "nov", "nqo", "nr", "nrm", "nso", "nup", "nv", "ny", "oc", "olo",
    "om", "or", "os", "pa", "pag", "pam", "pap", "pcd", "pcm", "pdc", "pfl", "pi", "pih", "pl", "pms", "pnb", "pnt",
    "ps", "pt", "pwn", "qu", "rm", "rmy", "rn", "ro", "roa-rup", "roa-tara", "rsk", "ru", "rue", "rup", "rw", "sa",
    "sah", "sat", "sc", "scn", "sco", "sd", "se", "sg", "sgs", "sh", "shi", "shn", "shy", "si", "simple", "sk", "skr",
    "sl", "sm", "smn", "sn", "so", "sq", "sr", "srn", "ss", "st", "stq", "su", "sv", "sw", "syl", "szl", "szy", "ta",
    "tay", "tcy", "tdd", "te", "tet", "tg", "th", "ti", "tig", "tk", "tl", "tly", "tn", "to", "tok", "tpi", "tr",
    "trv", "ts", "tt", "tum", "tw", "ty", "tyv", "udm", "ug", "uk", "ur", "uz", "ve", "vec", "vep", "vi", "vls", "vo",
    "vro", "wa", "war", "wo", "wuu", "xal", "xh", "xmf", "yi", "yo", "yue", "za", "zea", "zgh", "zh", "zh-cfr",
    "zh-classical", "zh-cn", "zh-min-nan", "zh-tw", "zh-yue", "zu",
])  # fmt: skip
# Languages that MediaWiki converts between their variants. Source: mediawiki.org, "Writing systems"; the list in
# includes/language/LanguageConverterFactory.php, and Kazakh, which it has had.
_CONVERTED = frozenset([
    "ban", "crh", "gan", "iu", "kk", "ku", "mni", "sh", "shi", "sr", "tg", "tly", "uz", "wuu", "zgh", "zh",
])  # fmt: skip
_OWN_EDITIONS = frozenset(("zh-classical", "zh-min-nan", "zh-yue"))  # languages with codes that look like variants
_INUKTITUT = frozenset(("ike-cans", "ike-latn"))
_CODE = "[a-zA-Z]{2,3}(?:-[a-zA-Z0-9]{1,8})*"
_SEMICOLON = re.compile(rf";\s*+(?=(?:[^;]*=>)?\s*+{_CODE}\s*:|\Z)")


def has_variants(language: str | None) -> bool:
    """Return whether `-{...}-` is a mark in a wiki of this language, and not text."""
    return language is not None and language not in _OWN_EDITIONS and _base(language) in _CONVERTED


def variant(content: str, language: str) -> str:
    """Return the text that `-{content}-` shows: of its choices the one in the language of the wiki, else the first.

    Source: mediawiki.org, "Writing systems/Syntax", and MediaWiki's `ConverterRule`.

    Args:
        content: what stands between the marks, with its flags.
        language: of the wiki; one that has variants.
    """
    before, bar, after = content.partition("|")
    flags, rule = ([flag.strip() for flag in before.split(";")], after) if bar else ([], content)
    if "R" in flags or any(_is_variant(flag, language) for flag in flags):
        return rule
    if {"H", "T", "N", "-"} & set(flags):
        return ""
    choices = _choices(rule, language)
    if not choices:
        return rule
    return next((text for code, text in choices if code == language), choices[0][1])


def _choices(rule: str, language: str) -> list[tuple[str, str]]:
    """Return the variants of a rule, and the text in each; none if one of them is no variant of the language."""
    choices = []
    for part in _SEMICOLON.split(rule):
        code, colon, text = part.partition(":")
        code = code.rpartition("=>")[2].strip().lower()
        if colon and not _is_variant(code, language):
            return []
        if colon:
            choices.append((code, text.strip()))
    return choices


def _is_variant(code: str, language: str) -> bool:
    code, base = code.lower(), _base(language)
    return bool(re.fullmatch(_CODE, code)) and (_base(code) == base or (base == "iu" and code in _INUKTITUT))


def _base(code: str) -> str:
    return code.partition("-")[0].lower()
