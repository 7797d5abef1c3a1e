"""Text of any origin cannot control the terminal that shows it, and keeps to its column."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from wikilm.terminal import cells, side_by_side, visible, wrap


@given(st.text())
def test_visible_text_has_no_control_characters_and_keeps_its_length(text):
    made = visible(text)
    assert len(made) == len(text)
    assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in made)


@given(st.text(alphabet=st.sampled_from("ab 東京é\u0301\u200b\n\t\x1b👩"), max_size=80), st.integers(2, 12))
def test_wrapping_fills_every_line_to_the_width_and_loses_nothing(text, width):
    lines = wrap(text, width)
    assert all(sum(map(cells, line)) == width for line in lines)
    kept = "".join(lines).replace(" ", "")
    assert kept == visible(text.replace("\n", "").replace("\t", "")).replace(" ", "")


def test_columns_of_different_length_stay_aligned():
    lines = list(side_by_side([("one", "a\nb"), ("a longer heading", "東京")], 27))
    assert [line.index("│") for line in lines] == [13] * len(lines)
