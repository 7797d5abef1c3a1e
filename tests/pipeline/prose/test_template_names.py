"""The names that an edition has for templates stand for what is known, each for one thing, and there alone."""

import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.articles.site import Site
from pipeline.prose import template_names
from pipeline.prose.languages import EDITIONS
from pipeline.prose.patterns import is_pattern, pattern
from pipeline.prose.template_names import edition_names, editions, normal
from pipeline.prose.template_words import FORMS, WORDS
from pipeline.prose.templates import expand, is_known
from tests.helpers import ROOT

STORED = tomllib.loads(Path(template_names.__file__).with_suffix(".toml").read_text(encoding="utf-8"))
# Template, as articles have it, and its words.
SHOWN = {
    "ar": {"وإو|عر=كارولوس|تر=Carl|لغ=en": "كارولوس", "وإو|عنوان|Title": "عنوان", "هـ": "هـ"},
    "bn": {"রূপান্তর|৬|ft|২|in": "৬ ft ২ in"},
    "de": {"enS|Facility": "Facility", '"|Hallo': "„Hallo“", "Bruch|1|2": "1/2", "enS": None},
    "en": {"SS|Great Britain": "SS Great Britain", "A$|5": "A$5", "ruby|a|b": "a (b)"},
    "es": {"unidad|5|km": "5 km", "siglo|V|a|s": "siglo V a. C.", "siglo|XIX": "XIX", "fecha|14|3|1879": "1879-03-14"},
    "fa": {"به انگلیسی|Hafez": "Hafez"},
    "fr": {
        "s-|XIX": "XIXe siècle",
        "S|I|er": "Ier siècle",
        "-s-|V|e": "Ve siècle av. J.-C.",
        "s2-|III|e|IX|e": "IIIe et IXe siècles",
        "sp-|XII|e|et au|XVI|e": "XIIe et au XVIe siècle",
        "XXe siècle": "XXe siècle",
        "e": "e",
        "unité|10000|km||h|-1": "10000 km⋅h⁻¹",
        "unité|1.5|e=15": "1.5 × 10^15",
        "nombre|8|[[bit]]s": "8 [[bit]]s",
        "nombre|3620|hab. par km|2": "3620 hab. par km²",
        "date|14|mars|1879|en France": "14 mars 1879",
        "lang|ar|texte=''Jabal''": "''Jabal''",
        "lien|Titre|lang=en|texte=le titre": "le titre",
        "heure|22|55|00": "22 h 55 min 00 s",
        "japonais|Lolicon|ロリータ|rorīta": "Lolicon (ロリータ, rorīta)",
        "refnec|Il est|date=2010": "Il est",
    },
    "he": {"ציטוט|תוכן=שלום|דובר=x": "\nשלום\n"},
    "it": {"M|10|k|m": "10 km", "M|5|0,2|m": "5 ± 0,2 m", "M|25|ul=°C": "25 °C", "TA|5 km": "5 km"},
    "ja": {
        "仮リンク|ジョン|en|John": "ジョン",
        "仮リンク|ジョン|en|John|label=彼": "彼",
        "読み仮名|'''東京'''|とうきょう": "'''東京'''（とうきょう）",
        "読み仮名_ruby不使用|東京|とうきょう|Tokyo": "東京（とうきょう、Tokyo）",
        "ruby|漢字|かんじ": "漢字（かんじ）",
        "en|text": "text",
        "en": None,
        "要出典範囲|そうだ|date=2010年": "そうだ",
    },
    "ltg": {"Vol-ru|собака": "собака", "LangWithName|en|anglīšu|dog": "dog"},
    "no": {"sitat|Hei": "\nHei\n"},
    "pl": {"link-interwiki|Zamek|tekst=zamku|Q=1": "zamku", "link-interwiki|Zamek|Q=1": "Zamek"},
    "ru": {
        "не переведено|есть=:en:ofuda|надо=офуда|текст=|язык=en": "офуда",
        "нп5|Надо|текст|en|Need": "текст",
        "num|5000|км": "5000 км",
    },
    "sr": {"јез-енгл|dog": "dog"},
    "uk": {"нп|Стаття|статтею|en|Article": "статтею", "Не_перекладено|Стаття||en|Article": "Стаття"},
    "vi": {"tính đến|2010|alt=năm 2010": "năm 2010"},
    "zh": {
        "le|新|New": "新",
        "link-en|新|New|顯示": "顯示",
        "tsl|en|Fairness||公平": "公平",
        "tsl|en|Wave|波": "波",
        "bd|1879年|3月14日|1955年|4月18日": "（1879年3月14日—1955年4月18日）",
        "bd|1950年|3月1日||": "（1950年3月1日—）",
    },
}


@pytest.mark.parametrize(("edition", "content"), [(code, content) for code, some in SHOWN.items() for content in some])
def test_templates_of_an_edition_give_their_words(edition: str, content: str) -> None:
    assert expand(content, Site(database=f"{edition}wiki")) == SHOWN[edition][content]


def test_every_name_stands_for_one_known_thing() -> None:
    assert STORED.keys() <= EDITIONS
    for edition, targets in STORED.items():
        names = Counter(normal(name) for some in targets.values() for name in some)
        assert [name for name, count in names.items() if count > 1] == []
        assert names.keys() == edition_names(edition).keys()
        for target in targets:
            assert is_pattern(target) or target in {*WORDS, *FORMS, "lang-xx"}, (edition, target)
            if is_pattern(target):
                pattern(target)


def test_no_name_says_what_is_known_anyway_and_all_can_be_names_of_pages() -> None:
    for edition, names in editions().items():
        for name, target in names.items():
            assert name != target, (edition, name)
            assert name == normal(name), (edition, name)
            assert not re.search(r"[#<>\[\]|{}:]", name), (edition, name)
            assert is_known(name, Site(database=f"{edition}wiki"))


@pytest.mark.parametrize(
    ("site", "edition"),
    [
        (Site("ja", "Wikipedia", "jawiki"), "ja"),
        (Site("en", "Wikipedia", "simplewiki"), "simple"),
        (Site("nb", "Wikipedia", "nowiki"), "no"),
        (Site("vro", "Vikipeediä", "fiu_vrowiki"), "fiu-vro"),
        (Site("ja", base="https://ja.wikipedia.org/wiki/X"), "ja"),
        (Site("ja", "Wiktionary", "jawiktionary", base="https://ja.wiktionary.org/wiki/X"), None),
        (Site("ja", base="https://ja.example.org/wiki/X"), None),
        (Site("ja"), None),
    ],
)
def test_the_edition_is_told_by_database_and_address(site: Site, edition: str | None) -> None:
    assert site.edition == edition
    assert is_known("仮リンク", site) == (edition == "ja")


@given(
    st.sampled_from([(edition, name) for edition, names in editions().items() for name in names]),
    st.text("|=[]{}a1 ./-+\n\x03"),
)
def test_any_arguments_give_some_words_or_none_and_no_error(place: tuple[str, str], arguments: str) -> None:
    edition, name = place
    words = expand(f"{name}|{arguments}", Site(database=f"{edition}wiki"))
    assert words is None or 0 < len(words) <= 2 * len(edition_names(edition)[name]) + 5 * len(arguments) + 20


def test_the_docs_count_the_names_of_each_edition() -> None:
    docs = (ROOT / "docs" / "clean-text.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"`([a-z-]+)` ([0-9]+)", docs.split("### Names of single editions")[1].split("\n## ")[0]))
    assert listed == {edition: str(len(names)) for edition, names in editions().items()}
