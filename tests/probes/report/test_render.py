"""What the page says of a number: for people, and never more than the number bears."""

import pytest

from probes.report.render import chance, is_address, level, lines, percent, rounded


def test_numbers_are_written_for_people():
    assert percent(0.987) == "98.7 %"
    assert [chance(p) for p in (1.0, 0.5, 0.0012, 0.0009, 0.0)] == ["100.0 %", "50.0 %", "0.1 %", "< 0.1 %", "< 0.1 %"]
    assert [rounded(n) for n in (1_256_256, 999, 2.5e9)] == ["1.3 million", "999", "2.5 billion"]


@pytest.mark.parametrize(
    ("probability", "word"),
    [(None, "expected"), (1.0, "expected"), (0.5, "expected"), (0.49, "likely"), (0.01, "possible"), (0.0, "surprise")],
)
def test_a_token_has_one_of_four_levels(probability, word):
    assert level(probability) == word


def test_a_text_of_several_lines_stands_in_one_and_does_nothing():
    assert lines("a\n\nb\x1b") == "a¶¶b␛"


@pytest.mark.parametrize(
    "address", [None, "", "javascript:alert(1)", "data:text/html,x", "//x", "https://a.b/\n", 'https://a.b/"x']
)
def test_a_link_leads_to_the_web_alone(address):
    assert not is_address(address)
    assert is_address("https://en.wikipedia.org/wiki/A_(b)")
