"""Marks of language variants mean something in some wikis, and there they show the variant of the wiki or the first."""

import pytest

from pipeline.prose.languages import has_variants, variant


@pytest.mark.parametrize("language", ["zh", "zh-hant", "sr", "sr-ec", "KK", "ku", "shi", "uz", "tg", "crh", "iu"])
def test_some_languages_have_variants(language: str) -> None:
    assert has_variants(language)


@pytest.mark.parametrize("language", [None, "", "en", "vi", "ltg", "ja", "zh-yue", "zh-min-nan", "zh-classical", "lzh"])
def test_others_have_none(language: str | None) -> None:
    assert not has_variants(language)


SHOWN = {
    # rules
    ("zh-hans:汉字; zh-hant:漢字;", "zh-hant"): "漢字",
    ("zh-hans:汉字; zh-hant:漢字;", "zh"): "汉字",
    ("A|zh-cn:a;zh-tw:b", "zh"): "a",
    ("X=>zh-cn:Y;", "zh"): "Y",
    ("zh-cn:a; b; c;zh-tw:d", "zh"): "a; b; c",
    ("sr-ec: Београд; sr-el: Beograd", "sr-el"): "Beograd",
    ("ike-cans:ᐃ;ike-latn:i", "iu"): "ᐃ",
    # no rules
    ("漢", "zh"): "漢",
    ("時間 10:30", "zh"): "時間 10:30",
    ("Star Wars: A New Hope", "zh"): "Star Wars: A New Hope",
    ("sr-ec:a", "zh"): "sr-ec:a",
    ("R|zh:a", "zh"): "zh:a",
    # filters: a text that is converted in these variants alone
    ("zh-hans;zh-hant|x", "zh"): "x",
    ("zh-tw|x: y; z", "zh"): "x: y; z",
    # not shown where they stand
    ("T|zh-cn:a", "zh-cn"): "",
    ("H|zh-cn:a;zh-tw:b", "zh"): "",
    ("-|a", "zh"): "",
}


@pytest.mark.parametrize(("content", "language"), SHOWN)
def test_a_variant_is_that_of_the_wiki_or_the_first(content: str, language: str) -> None:
    assert variant(content, language) == SHOWN[content, language]
