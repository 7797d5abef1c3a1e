"""A pattern puts the arguments of a template where it says, and gives no words where one that it needs is missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.prose.patterns import MAX_CHARS, is_pattern, pattern
from pipeline.prose.template_arguments import Arguments

SHOWN = {
    # pattern, arguments by position, arguments by name -> words
    ("{1}", ("a",), ()): "a",
    ("{1}", (" ",), ()): "",
    ("{1}", (), (("1", "a"),)): "a",
    ("{2|1}", ("a",), ()): "a",
    ("{2|1}", ("a", "b"), ()): "b",
    ("{text|1}", ("a",), (("text", " b "),)): "b",
    ("{1}{2|=e} siècle", ("XIX",), ()): "XIXe siècle",
    ("{1}{2|=e} siècle", ("I", "er"), ()): "Ier siècle",
    ("{1}{2|=e} siècle", (), ()): "",
    ("{1}[（{2}[、{3}]）]", ("東京", "とうきょう"), ()): "東京（とうきょう）",
    ("{1}[（{2}[、{3}]）]", ("東京", "とうきょう", "x"), ()): "東京（とうきょう、x）",
    ("{1}[（{2}[、{3}]）]", ("東京",), ()): "東京",
    ("[{1}-]{2}", ("", "b"), ()): "b",
    ("[{1|=x}]{2}", ("", "b"), ()): "b",
    ("{1|=x}", (), ()): "x",
    ("=1er mai", (), ()): "1er mai",
    ("={1}", ("a",), ()): "{1}",
}


@pytest.mark.parametrize(("text", "positional", "named"), SHOWN)
def test_arguments_stand_where_the_pattern_says(
    text: str, positional: tuple[str, ...], named: tuple[tuple[str, str], ...]
) -> None:
    assert is_pattern(text)
    assert pattern(text)(Arguments(["name", *positional], dict(named))) == SHOWN[text, positional, named]


@pytest.mark.parametrize(
    "text", ["{", "}", "{}", "{1", "1}", "{1}[", "{1}]", "]{1}[", "{1{2}}", "{[1]}", "{1}" * MAX_CHARS]
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"partner|closed|characters"):
        pattern(text)


def test_a_name_is_no_pattern() -> None:
    assert not any(map(is_pattern, ("convert", "lang-de", "=", "", "'s", "#measure")))


@given(st.text("{}[]|=12ab ", max_size=60), st.lists(st.text("ab ", max_size=3), max_size=3))
def test_any_text_is_a_pattern_or_is_refused_and_its_words_are_bounded(text: str, positional: list[str]) -> None:
    try:
        words = pattern(text)(Arguments(["name", *positional], {}))
    except ValueError:
        return
    assert len(words) <= len(text) * (1 + max(map(len, positional), default=0))
