"""The few templates that stand for words in a sentence give those words; all others give nothing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.articles.site import Site
from pipeline.prose.clean import clean_compiled as clean
from pipeline.prose.template_words import FORMS, SHAPES, WORDS
from pipeline.prose.templates import checked, expand, is_known, resolved
from tests.helpers import ROOT
from wikilm.errors import RunError, UsageError

GIVEN = {
    # units and numbers
    "convert|100|km|mi": "100 km",
    "convert | 1,300 | sqmi | km2 | abbr=on": "1,300 sq mi",
    "Convert|5|-|10|C": "5–10 °C",
    "convert|3|x|4|x|5|m": "3 × 4 × 5 m",
    "convert|6|ft|2|in|m": "6 ft 2 in",
    "convert|6|ft|2": "6 ft",
    "convert|6": "6",
    "convert|5|km|mi|disp=out": "5 km",  # shows the result alone, which is not computed
    "convert|22|e6acre|km2": "22 × 10^6 acres",
    "convert|2.1|Moilbbl/d|m3/d": "2.1 Mbbl/d",
    "convert|1.2|PD/sqmi": "1.2/sq mi",
    "convert|9.8|m/s2": "9.8 m/s²",
    "convert|5|to|10|km2": "5 to 10 km²",
    "convert|5|đến|10|km|mi": "5 đến 10 km",  # a word of the edition
    "convert|1+1/2|in": "1 1/2 in",
    "cvt|1//2|in": "1/2 in",
    "formatnum:12345": "12345",
    "formatnum|12345": "12345",
    "val|3.5|0.2|e=-6|u=m/s": "3.5 ± 0.2 × 10^-6 m/s",
    "val|1.23|(15)|ul=m|upl=s": "1.23(15) m/s",
    "val|p=~|5|s=%": "~5%",
    "e|24": " × 10^24",
    "frac|1|2": "1/2",
    "sfrac|3|1|2": "3 1/2",
    "fraction|2": "1/2",
    "sqrt|2": "√2",
    "sqrt|2|4": "⁴√2",
    "sqrt|২|৪": "⁴√২",
    "sqrt|x|12": "¹²√x",
    "radic|x|n": "ⁿ√x",
    "e|৭": " × 10^৭",
    "val|১.৫|০.২": "১.৫ ± ০.২",
    "convert|৬|ft|২|in": "৬ ft ২ in",
    "track gauge|१४३५mm": "१४३५ mm",
    "birth date|১৮৭৯|৩|১৪": "১৮৭৯-০৩-১৪",
    "bda|1879|3|14": "1879-03-14",
    "dob|1879|3|14": "1879-03-14",
    "dda|1955|4|18|1879|3|14": "1955-04-18",
    "death date and age|१९५५|४|१८|१८७९|३|१४": "१९५५-०४-१८",
    "dts|٢٠٠٠|١|٢": "٢٠٠٠-٠١-٠٢",
    "birth date|1879|৩|14": "1879-০৩-14",
    "birth-date and age|25 November 1960": "25 November 1960",
    "convert|۵|to|۱۰|km|mi": "۵ to ۱۰ km",
    "frac|१|२": "१/२",
    "e|٣": " × 10^٣",
    "pi": "π",
    "track gauge|1435mm|allk=on": "1435 mm",
    "chem|H|2|O|link=water": "H2O",
    "chem2|Na+": "Na+",
    "CAD|84.390": "CAD 84.390",
    "US$|5": "US$5",
    # dates
    "birth date|1879|3|14|df=yes": "1879-03-14",
    "birth date and age|mf=yes|1879|3|14": "1879-03-14",
    "death date and age|1955|4|18|1879|3|14": "1955-04-18",
    "start date|1990": "1990",
    "dts|14 March 1879": "14 March 1879",
    "circa|1500": "c. 1500",
    "c.|1500|1510": "c. 1500 – c. 1510",
    "circa": "c.",
    "as of|2010|alt=vào năm 2010": "vào năm 2010",
    # languages and scripts
    "lang|de|[[Hund|der Hund]]": "[[Hund|der Hund]]",
    "lang|2=Hund|1=de": "Hund",
    "lang-zh-hant|漢": "漢",
    "Lang-zh-Hans|汉": "汉",
    "lang-ru2|собака": "собака",
    "lang-sr-Cyrl|пас": "пас",
    "lang-be-tarask|сабака": "сабака",
    "Lang-zh-min-nan|káu": "káu",
    "langx|ru|собака|sobaka": "собака",
    "rtl-lang|ar|الكيمياء": "الكيمياء",
    "script/Hebrew|כלב": "כלב",
    "script|Copt|ⲁ": "ⲁ",
    "transl|ru|sobaka": "sobaka",
    "transl|ru|ISO|sobaka": "sobaka",
    "transliteration|sobaka": "sobaka",
    "nihongo|headquarters|本部道場|honbu dōjō": "headquarters (本部道場, honbu dōjō)",
    "Nihongo|''shoulder''|肩": "''shoulder'' (肩)",
    "nihongo||肩|kata": "kata (肩)",
    "nihongo||肩": "肩",
    "IPA|/æ/": "/æ/",
    "IPA|ɬ": "ɬ",
    "IPA|ɬ|lang=x": "ɬ",
    "IPA|[ɬ]": "[ɬ]",
    "IPA|/a/|b": "/a/",
    "IPAslink|ʃ": "/ʃ/",
    "ipablink|ʃ": "[ʃ]",
    "angbr|a": "⟨a⟩",
    # words as they are
    "nowrap|1=a = b": "a = b",
    "abbr|HQ|headquarters": "HQ",
    "smallcaps|ad": "ad",
    "flag|Azores": "Azores",
    "sic|occ|ured": "occured [sic]",
    "sic|occured|hide=y": "occured",
    "sic": "[sic]",
    "not a typo|te|h": "teh",
    "ill|Felis|de|Katze|lt=a cat": "a cat",
    "ill|Felis|de|Katze": "Felis",
    "ill|de|Felis|Katze": "Felis",
    "USS|Hornet|CV-12|6": "USS Hornet",
    "ship|HMS|Hood|51": "HMS Hood",
    "ship||Titanic": "Titanic",
    "sclass|Nimitz|aircraft carrier|0": "Nimitz-class aircraft carrier",
    "stn|London Bridge": "London Bridge",
    "no redirect|Earth": "Earth",
    "no redirect|Earth|here": "here",
    "key press|Ctrl|Alt|Del": "Ctrl+Alt+Del",
    "key|Esc": "Esc",
    "keypress|Tab": "Tab",
    "font color|red|text": "text",
    "fontcolor|red|yellow|text": "text",
    "noredirect|Earth": "Earth",
    "stnlnk|Bank": "Bank",
    "sclass-|Type 45|destroyer": "Type 45-class destroyer",
    "color|red|text": "text",
    "resize|80%|text": "text",
    "resize|text": "text",
    "IETF RFC|1866": "RFC 1866",
    "code|lang=html|code=<p>&nbsp;": "&lt;p&gt;&amp;nbsp;",
    "mono|exec(3)": "exec(3)",
    "quote|We came in peace.|the plaque": "\nWe came in peace.\n",
    "cquote|text=We came.|author=x": "\nWe came.\n",
    # signs
    "snd": " – ",
    "snds": " – ",
    "spaces|4": " ",
    "·": " · ",
    "•": " • ",
    "bull": " • ",
    "middot": " · ",
    "thinsp": "\u2009",
    "nbhyph": "\u2011",
    "\\": " / ",
    "mdashb": "—",
    "nbsp": " ",
    "'": "'",
    "'s": "'s",
    "!": "|",
    "=": "&#61;",
}


@pytest.mark.parametrize("content", GIVEN)
def test_known_templates_give_their_words(content: str) -> None:
    assert expand(content) == GIVEN[content]


@pytest.mark.parametrize(
    "content",
    ["", "|", "infobox|lang|de", "#if:a|b|c", "lang:de", "language|de", "lang-|x", "{{", ":a", "formatnum:",
     # known, and without words
     "convert", "lang|de|a=b", "lang|de|\x03", "angbr|\x03", "IPA|de|hʊnt", "as of|2019|lc=y", "e|x", "flag",
     "CAD", "USS", "track gauge|sg", "quote", "nihongo", "dts"],
)  # fmt: skip
def test_all_others_give_nothing_so_that_the_hole_is_known(content: str) -> None:
    assert expand(content) is None


@given(st.sampled_from([*WORDS, "lang-de", "script/x", "formatnum:"]), st.text("|=[]{}a1 ./-+\n\x03"))
def test_any_arguments_give_some_words_or_none_and_no_error(name: str, arguments: str) -> None:
    words = expand(f"{name}|{arguments}")
    assert words is None or 0 < len(words) <= len(name) + 5 * len(arguments) + 20


def test_an_equals_sign_from_a_template_names_no_argument() -> None:
    assert clean("{{math|x {{=}} 2}} {{=}} y", Site()) == "x = 2 = y"


def test_a_template_that_gives_no_words_leaves_no_hole() -> None:
    assert clean("Ant ({{lang|de}}, {{angbr|{{x}}}}) is {{convert}}.", Site()) == "Ant is."
    assert clean("Ant\n{{quote|{{x}}}}\nbee", Site()) == "Ant\nbee"


def test_a_quotation_is_a_paragraph() -> None:
    assert clean("They said: {{quote|We ''came''.|who}} Then\nleft.", Site()) == "They said:\nWe came.\nThen\nleft."


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_ours_are_no_templates_that_an_author_can_name(form: str) -> None:
    assert expand(f"{form}|5|km") is None
    assert not is_known(form)
    assert expand("own|5|km", Site(templates=(("own", form),))) is not None


@pytest.mark.parametrize("content", ["{1}|a", "=x|a", "=1er mai", "{1|=a}", " =x"])
def test_a_pattern_that_an_author_types_is_no_template(content: str) -> None:
    assert expand(content, Site(database="frwiki")) is None


def test_the_namespace_may_stand_before_the_name() -> None:
    site = Site(database="ruwiki", namespaces=((10, "Шаблон"),))
    assert expand("Шаблон:нп5|Надо|текст", site) == expand("template:НП5|Надо|текст", site) == "текст"
    assert expand("Другое:нп5|Надо|текст", site) is None


def own(**templates: str) -> Site:
    return Site(database="jawiki", templates=tuple(checked(templates, Site(database="jawiki")).items()))


def test_a_user_says_what_a_template_of_the_wiki_is() -> None:
    site = own(
        **{"Kilo_meter": "Convert", "Kärtchen": "{2}[ ({1})]", "Geist": "=boo", "Sprache": "仮リンク", "S": "lang-de"}
    )
    shown = {
        "kilo  meter|5|km": "5 km",
        "kärtchen|a|b": "b (a)",
        "Kärtchen|a": None,
        "geist": "boo",
        "Sprache|A|en|B": "A",
        "s|Hund": "Hund",
    }
    for content, words in shown.items():
        assert expand(content, site) == words
        assert expand(content, Site(database="jawiki")) is None


def test_what_a_user_says_goes_before_what_the_edition_and_all_say() -> None:
    site = own(**{"ruby": "{2}", "convert": "small"})
    assert (expand("ruby|a|b", site), expand("convert|5|km", site)) == ("b", "5")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("convrt", "'convrt' is no known template; did you mean 'convert'"),
        ("zzzzzz", "'zzzzzz' is no known template; docs/clean-text.md lists"),
        ("{1", "'{1' is no pattern: a brace without its partner"),
    ],
)
def test_a_target_that_is_not_known_is_refused_in_one_line(target: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"--templates (source.templates) Km: {said}")) as refused:
        own(Km=target)
    assert "\n" not in str(refused.value)


def test_redirects_to_known_templates_are_known() -> None:
    redirects = [
        ("Km", "Convert"), ("Third", "Second"), ("Second", "First"), ("First", "Lang-de"), ("Near", "First"),
        ("Circle", "Ring"), ("Ring", "Circle"), ("Self", "Self"), ("Box", "Infobox"), ("Lang-fr", "Convert"),
        ("Kari", "仮リンク"), ("Km", "Lang"),
    ]  # fmt: skip
    expected = {"km": "convert", "first": "lang-de", "second": "lang-de", "near": "lang-de", "kari": "{label|1}"}
    assert resolved(lambda: redirects, Site(database="jawiki")) == expected  # MediaWiki follows two


@given(st.lists(st.tuples(st.sampled_from("abvwxy"), st.sampled_from([*"abvwxy", "lang", "box"])), max_size=20))
def test_all_and_only_what_two_redirects_lead_to_is_known(redirects: list[tuple[str, str]]) -> None:
    leads: dict[str, str] = {}
    for name, leads_to in redirects:
        leads.setdefault(name, leads_to)
    once = list(leads.items())
    expected = {name for name, to in once if to == "lang" or leads.get(to) == "lang"}
    assert resolved(lambda: once, Site()) == dict.fromkeys(expected, "lang")


def test_a_dump_that_is_all_redirects_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.prose.templates.MAX_NAMES", 10)
    with pytest.raises(RunError, match=r"source\.template_redirects"):
        resolved(lambda: ((f"x{number}", "lang") for number in range(100)), Site())
    assert resolved(lambda: ((f"x{number}", "box") for number in range(100)), Site()) == {}


def documented() -> list[list[str]]:
    """The rows of the table of templates: names, example, text."""
    docs = (ROOT / "docs" / "clean-text.md").read_text(encoding="utf-8")
    table = docs.split("\n## Templates")[1].split("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in table.splitlines() if line.startswith("| `")]
    return [[cell.replace("\\|", "|").strip() for cell in row] for row in rows]


def test_the_docs_list_the_templates_that_are_known() -> None:
    listed = [name for row in documented() for name in re.findall("`([^`]+)`", row[0])]
    families = {"lang-xx": "lang-de", "script/xx": "script/hebrew"}
    assert len(listed) == len(set(listed))
    assert {name for name in listed if name not in families} == {*WORDS, "formatnum:"}
    assert families.keys() <= set(listed)
    assert len(families) == len(SHAPES)
    for example in families.values():
        assert any(re.fullmatch(shape, example) for shape in SHAPES)


@pytest.mark.parametrize("row", documented(), ids=lambda row: row[1])
def test_the_examples_of_the_docs_are_true(row: list[str]) -> None:
    assert clean(row[1].strip("`"), Site()) == row[2].strip("`")
