"""The few templates that stand for words in a sentence give those words; all others give nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.templates import expand, variant

WORDS = {
    "convert|100|km|mi": "100 km",
    "convert | 1,300 | sqmi | km2 | abbr=on": "1,300 sq mi",
    "Convert|5|-|10|C": "5–10 °C",
    "convert|3|x|4|x|5|m": "3 × 4 × 5 m",
    "convert|6|ft|2|in|m": "6 ft 2 in",
    "convert|6|ft|2": "6 ft",
    "convert|6": "6",
    "convert": "",
    "lang|de|[[Hund|der Hund]]": "[[Hund|der Hund]]",
    "lang|2=Hund|1=de": "Hund",
    "lang|de|a=b": "",
    "lang-zh-hant|漢": "漢",
    "langx|ru|собака|sobaka": "собака",
    "nowrap|1=a = b": "a = b",
    "formatnum:12345": "12345",
    "formatnum|12345": "12345",
    "val|3.5|0.2|e=-6|u=m/s": "3.5 ± 0.2 × 10^-6 m/s",
    "transl|ru|sobaka": "sobaka",
    "frac|1|2": "1/2",
    "frac|3|1|2": "3 1/2",
    "frac|2": "1/2",
    "snd": " – ",
    "'": "'",
}


@pytest.mark.parametrize("content", WORDS)
def test_known_templates_give_their_words(content: str) -> None:
    assert expand(content) == WORDS[content]


@pytest.mark.parametrize(
    "content", ["", "|", "infobox|lang|de", "#if:a|b|c", "lang:de", "language|de", "lang-|x", "{{", ":a"]
)
def test_all_others_give_nothing(content: str) -> None:
    assert expand(content) is None


@given(
    st.sampled_from(["convert", "lang", "lang-de", "val", "frac", "transl", "formatnum:"]), st.text("|=[]{}a1 ./-\n")
)
def test_any_arguments_give_some_words_and_no_error(name: str, arguments: str) -> None:
    words = expand(f"{name}|{arguments}")
    assert words is not None
    assert len(words) <= len(name) + len(arguments) + 20


def test_a_variant_is_that_of_the_wiki_or_the_first() -> None:
    rule = "zh-hans:汉字; zh-hant:漢字;"
    assert variant(rule, "zh-hant") == "漢字"
    assert variant(rule, "zh") == "汉字"
    assert variant("A|zh-cn:a;zh-tw:b", None) == "a"
    assert variant("漢", "zh") == "漢"
    assert variant("R|zh:a", None) == "zh:a"
    assert variant("T|zh-cn:a", "zh-cn") == variant("H|a", None) == variant("-|a", None) == ""
    assert variant("時間 10:30", None) == "時間 10:30"
