"""A source's name and addresses tell its language, its date and the license of its text, and nothing by guess."""

import pytest

from wikilm.origin import date_of, language_of


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


def test_the_date_is_the_first_that_is_one():
    assert date_of("enwiki-20160501-pages") == "2016-05-01"
    assert date_of("20231101.en") == "2023-11-01"
    assert date_of("20239999-20240101.xml") == "2024-01-01"
    assert date_of("pages-120240101.xml") is None
