"""What is done to whole columns of texts is what is done to one text, whatever it holds."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.prose.plain import PIECE, blank_texts, plain, plain_texts
from pipeline.prose.signs import CONTROL

HARD = "\x00\x08\t\n\x0b\r\x1c\x1f \x7f\x80\x85\x9f\xa0é®\ufeff\ufeef\ufffe\u2003\u2028\u3000\u200b\U0001f600ab"
texts = st.lists(st.text(st.sampled_from(HARD) | st.characters(exclude_categories=["Cs"]), max_size=12), max_size=8)


@given(texts, st.integers(0, 3))
def test_columns_are_tidied_as_texts_are(some, first):
    column = pa.array(some, pa.string()).slice(first)
    assert plain_texts(column).to_pylist() == [plain(text) for text in some[first:]]


@given(texts)
def test_a_blank_text_holds_nothing_but_white_space(some):
    assert blank_texts(pa.array(some, pa.string())).tolist() == [not text.strip() for text in some]


def test_every_character_that_is_taken_out_is_found_wherever_it_stands():
    wanted = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    wanted = [character for character in wanted if character == "\r" or CONTROL.match(character)]
    assert len(wanted) > 60
    for at in (0, 5, PIECE - 2, PIECE - 1, PIECE):
        column = pa.array(["é" * (at // 2) + "x" * (at % 2) + character + "b" for character in wanted])
        found = [text.to_pylist()[0] for text in (plain_texts(column.slice(row, 1)) for row in range(len(wanted)))]
        assert not any(character in text for character, text in zip(wanted, found, strict=True) if character != "\r")
        assert "\r" not in "".join(found)


def test_texts_without_such_characters_are_handed_on_uncopied():
    column = pa.array(["plain", "text\twith\nlines", "", "\u00a0é"])
    assert plain_texts(column) is column
    assert np.array_equal(blank_texts(column), [False, False, True, False])
