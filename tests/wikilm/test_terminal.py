"""Text of any origin cannot control the terminal that shows it, and stays text that people can read."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wikilm.terminal import is_unsafe, visible


@given(st.text(st.characters()))
def test_visible_text_holds_nothing_unsafe_and_keeps_its_length(text: str) -> None:
    made = visible(text)
    assert len(made) == len(text)
    assert not any(map(is_unsafe, made))
    assert not any(unicodedata.category(character) in ("Cc", "Cs", "Co", "Zl", "Zp") for character in made)
    made.encode()  # no surrogate is left
    assert visible(made) == made


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x00\x07", "␛[31mred␀␇"),  # C0
        ("one\n\ttwo\r", "one␊␉two␍"),
        ("\x7f\x80\x9b2J", "���2J"),  # DEL and C1, of which U+009B begins a sequence as ESC [ does
        ("\u202aa\u202bb\u202cc\u202dd\u202ee", "�a�b�c�d�e"),  # embeddings and overrides
        ("\u2066a\u2067b\u2068c\u2069", "�a�b�c�"),  # isolates
        ("a\u2028b\u2029c\x85", "a�b�c�"),  # what ends a line
        ("\ud800\udfff", "��"),  # lone surrogates, which cannot be encoded
        ("\ue000\U000f0000\u0378\uffff", "����"),  # private use, unassigned, no character
    ],
)
def test_what_a_terminal_may_act_upon_is_shown_as_a_sign(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text", ["é 漢字 العربية", "👩\u200d👩\u200d👧", "می\u200cخواهم", "e\u0301", "a\u00a0b\u00ad", "␛ �"]
)
def test_letters_marks_joiners_and_spaces_stay(text: str) -> None:
    assert visible(text) == text


def test_what_the_caller_keeps_stays_and_nothing_else() -> None:
    assert visible("a\n\tb\x1b", keep="\n\t") == "a\n\tb␛"
    assert visible("a\n\tb\x1b", keep="\n") == "a\n␉b␛"
