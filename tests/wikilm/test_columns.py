"""Text of any origin keeps to its column, whatever the width of its letters."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wikilm.columns import display_width, ljust, rjust, side_by_side, wrap
from wikilm.terminal import visible

FAMILY, FLAG, THUMB, JAMO = "👩\u200d👩\u200d👧", "🇨🇿", "👍🏽", "\u1100\u1161\u11a8"
# Letters of one and two columns, marks, joiners, parts of emoji, vowel signs, jamo that make one syllable, spaces.
SIGNS = [*"ab 東京é\u0301\u200b\u200d\ufe0f\ufe0e\n\t\x1b👩हिन्दीကာမ်\u0600", FAMILY, FLAG, THUMB, JAMO]


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("plain text", 10),
        ("東京", 4),
        ("Ａ", 2),
        ("e\u0301a\u0308", 2),
        ("x\u200by", 2),
        (FAMILY, 2),
        (FLAG, 2),
        (THUMB, 2),
        ("❤\ufe0f", 2),
        ("हिन्दी", 4),
        (JAMO, 2),
        ("a\u200d b", 3),
    ],
)
def test_width_is_that_of_what_is_seen(text: str, width: int) -> None:
    assert display_width(text) == width
    assert display_width(ljust(text, 12)) == display_width(rjust(text, 12)) == 12


@given(st.lists(st.one_of(st.sampled_from(SIGNS), st.characters()), max_size=80).map("".join), st.integers(2, 12))
@example("\u0301 aa京", 3)  # a space that has a column, after a mark that has none
@example("👩\u200d", 4)
@example("\u200b" * 300, 2)
@example("a" + "\u0301" * 300, 2)
def test_wrapping_fills_every_line_to_the_width_and_loses_nothing(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert [display_width(line) for line in lines] == [width] * len(lines)
    kept = "".join(lines).replace(" ", "")
    assert kept == visible(text.replace("\n", "").replace("\t", "")).replace(" ", "")


def test_a_sign_of_several_characters_is_not_broken() -> None:
    for sign in (FAMILY, FLAG, THUMB, "e\u0301", "❤\ufe0f"):
        assert all(line.replace(sign, "").strip() == "" for line in wrap(sign * 20, 9))


def test_columns_of_different_length_stay_aligned() -> None:
    lines = list(side_by_side([("one", "a\nb"), ("a longer heading", f"東京{FAMILY}")], 27))
    assert [display_width(line[: line.index("│")]) for line in lines] == [13] * len(lines)
