"""The compiled step takes off each line the marks that the reference takes off, and leaves out the same lines."""

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
    assert marked(text) == marked_by_reference(text)


def test_more_quotes_than_there_is_room_for_make_it_give_up_on_that_line_alone() -> None:
    text = f"'''a'''\n{'x '.join([chr(39) * 2] * (marks.MAX_RUNS + 1))}\n== ''b'' =="
    levels = {number: level for number, (level, _) in marked(text).items()}
    assert levels == {0: 0, 1: marks.GIVE_UP, 2: 2}
    assert marked(text)[2] == marked_by_reference(text)[2]
