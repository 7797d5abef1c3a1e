"""A source's name and addresses tell its language, its date and the license of its text, and nothing by guess."""

import pytest

from tests.helpers.manifests import manifest, mixture
from wikilm.origin import date_of, language_fields, language_of, license_of


@pytest.mark.parametrize(
    ("base", "language"),
    [
        ("https://lv.wikipedia.org/wiki/A", "lv"),
        ("https://zh-yue.wikipedia.org/wiki/A", "zh-yue"),
        ("https://simple.wikipedia.org/wiki/A", "en"),
        ("https://wikipedia.org/wiki/A", None),
        ("https://lv.wikipedia.org.example.net/wiki/A", None),
        ("https://lv.wiktionary.org/wiki/A", None),
        ("", None),
    ],
)
def test_the_host_of_a_wikipedia_names_its_language(base, language):
    assert language_of(base) == language


def test_of_several_licenses_the_widest_is_named_first_and_each_says_whose_it_is():
    early, late = {"name": "lvwiki-20200101.xml", "database": "lvwiki"}, {"database": "ltgwiki"}
    assert license_of(mixture(late, {"database": "enwiki"})) == license_of(manifest())
    both = license_of(mixture(early, late))
    assert both.names == ("cc-by-sa-4.0", "cc-by-sa-3.0", "gfdl")
    first, second = both.notice.splitlines()
    assert first.startswith("lvwiki: The text is © Wikipedia contributors, under CC BY-SA 3.0")
    assert second.startswith("ltgwiki: The text is © Wikipedia contributors, under CC BY-SA 4.0")
    assert license_of(mixture(early, {"database": "own", "base": ""})).names[0] == "unknown"


def test_languages_are_named_once_each_in_the_field_for_their_tags():
    assert language_fields(["de", "zh-yue", "de", "x y", "ltg"]) == {
        "language": ["de", "ltg"],
        "language_bcp47": ["zh-yue"],
    }


def test_the_date_is_the_first_that_is_one():
    assert date_of("enwiki-20160501-pages") == "2016-05-01"
    assert date_of("20231101.en") == "2023-11-01"
    assert date_of("20239999-20240101.xml") == "2024-01-01"
    assert date_of("pages-120240101.xml") is None
