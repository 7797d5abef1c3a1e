"""A redirect is known by its text as MediaWiki knows it, in the words of every language."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.source.redirects import WORDS, is_redirect


@given(st.sampled_from(WORDS), st.sampled_from(["", " ", ":", " : "]), st.booleans(), st.booleans())
def test_each_word_redirects_in_any_case(word, between, upper, piped):
    spelt = word.replace("_", " ")
    spelt = spelt.upper() if upper and len(spelt.upper()) == len(spelt) else spelt
    assert is_redirect(f"#{spelt}{between}[[Target{'|label' if piped else ''}]]")
    assert is_redirect(f"\n＃{spelt}{between}[[Target#Section]]\n\n{{{{R from move}}}}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#REDIRECT",
        "#REDIRECT Target",
        "#REDIRECT [[]]",
        "#REDIRECT [[{{PAGENAME}}]]",
        "REDIRECT [[Target]]",
        "Text first. #REDIRECT [[Target]]",
        "# [[Target]]",
        "# REDIRECTED [[Target]]",
    ],
)
def test_other_texts_are_those_of_articles(text):
    assert not is_redirect(text)
