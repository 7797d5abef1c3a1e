"""The compiled step takes off each line the marks that the reference takes off, and leaves out the same lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.prose import lines as reference
from pipeline.prose.compiled import marks, page
from pipeline.prose.signs import CONTROL, CUT, HEADING
from tests.helpers.wikitext import PAGES, few_examples

MARKED = st.lists(
    st.sampled_from(["'", "''", "'''", "=", "==", "*", "#", ":", ";", "----", "|", " ", "a", "bc", CUT, "\n"])
)


def marked(text: str) -> dict[int, tuple[int, str]]:
    """The level and the text of each line that stays, by its number."""
    codes, places = page.take_marks(page.to_codes(text))
    return {number: (level, page.to_text(codes[start:end])) for level, start, end, number in places.tolist()}


def marked_by_reference(text: str) -> dict[int, tuple[int, str]]:
    taken = enumerate(map(reference.take_marks, text.split("\n")))
    stay = {number: line for number, line in taken if line is not None}
    return {n: (int(line[1]), line[2:]) if line.startswith(HEADING) else (0, line) for n, line in stay.items()}


@few_examples
@given(MARKED.map("".join) | PAGES.map(lambda text: CONTROL.sub(CUT, text)))
def test_lines_lose_the_marks_that_the_reference_takes_off(text: str) -> None:
    found, expected = marked(text), marked_by_reference(text)
    assert found.keys() == expected.keys()
    for number, (level, line) in found.items():
        assert level == marks.GIVE_UP or (level, line) == expected[number]


@pytest.mark.parametrize("line", ["[[d''o]]", "[[d''o ''p|q]] ''r''", "[http://a.example''b'' c]"])
def test_quotes_in_targets_and_addresses_are_left_to_the_reference(line: str) -> None:
    assert [level for level, _ in marked(line).values()] == [marks.GIVE_UP]


@pytest.mark.parametrize("line", ["[[d|''o'']] ''p''", "[http://a.example ''b''] ''c''", "''[[d]]'' [''e'']"])
def test_quotes_beside_them_are_not(line: str) -> None:
    assert marked(line) == marked_by_reference(line)


def test_more_quotes_than_there_is_room_for_make_it_give_up_on_that_line_alone() -> None:
    text = f"'''a'''\n{'x '.join([chr(39) * 2] * (marks.MAX_RUNS + 1))}\n== ''b'' =="
    levels = {number: level for number, (level, _) in marked(text).items()}
    assert levels == {0: 0, 1: marks.GIVE_UP, 2: 2}
    assert marked(text)[2] == marked_by_reference(text)[2]
