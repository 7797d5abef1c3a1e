"""The compiled step closes the holes of each line as the reference does, unless it gives up on the line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.prose import holes as reference
from pipeline.prose.compiled import holes, marks, page
from pipeline.prose.signs import CUT, HEADING
from tests.helpers.wikitext import few_examples

TORN = st.lists(
    st.sampled_from(
        ["a", "é", "1", "漢", "😀", " ", "  ", "\t", "\xa0", "\u2028", ".", "。", "!", "»", "-", "–", "—", '"', "“"]
    )
    | st.sampled_from(
        [CUT, CUT, ",", ";", "،", "，", "(", ")", "（", "）", "[", "]", "{", "}", "'", "«", "”", "「", "」"]
    )
).map("".join)
LINES = st.lists(st.tuples(st.sampled_from([0, 0, 1, 2, 6]), TORN), max_size=6)


def tidied(lines: list[tuple[int, str]]) -> list[tuple[int, int, str]]:
    """The number, the level and the text of each line that stays."""
    ends = np.cumsum([len(text) for _, text in lines], dtype=np.int64).tolist()
    places = np.empty((len(lines), marks.LINE_COLUMNS), np.int64)
    for number, ((level, text), end) in enumerate(zip(lines, ends, strict=True)):
        places[number] = level, end - len(text), end, number
    codes, places = page.tidy_lines(page.to_codes("".join(text for _, text in lines)).copy(), places)
    numbers, levels = places[:, marks.NUMBER].tolist(), places[:, marks.LEVEL].tolist()
    return list(zip(numbers, levels, page.to_text(codes).split("\n")[:-1], strict=True))


def tidied_by_reference(level: int, text: str) -> list[tuple[int, str]]:
    return reference.tidy_lines(f"{HEADING}{level}{text}" if level else text, [])


@few_examples
@given(LINES)
def test_holes_are_closed_as_the_reference_closes_them(lines: list[tuple[int, str]]) -> None:
    found = {number: [(level, text)] for number, level, text in tidied(lines)}
    for number, line in enumerate(lines):
        stays = found.get(number, [])
        if stays != [(holes.GIVE_UP, "")]:
            assert stays == tidied_by_reference(*line)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (f"Ant ({CUT}; born 1950) b", "Ant (born 1950) b"),
        (f"Ant ({CUT}) b, ( ) c (, ) d ({CUT}, {CUT}; {CUT}). e", "Ant b, c d. e"),
        (f"a, {CUT}, c; {CUT}. e {CUT} f", "a, c. e f"),
        (f"（{CUT}）漢、{CUT}、字", "漢、字"),
        (f"{CUT}, b", "b"),
        (f'"a"{CUT} – "b"{CUT}, (c - d{CUT}) — e', '"a" – "b", (c - d) — e'),
        ("a \t b ", "a b"),
    ],
)
def test_what_is_common_is_not_left_to_the_reference(line: str, text: str) -> None:
    assert tidied([(0, line)]) == [(0, 0, text)]
    assert tidied_by_reference(0, line) == [(0, text)]


@pytest.mark.parametrize(
    "line",
    [
        f"[{CUT}[",
        f"'{CUT}'",
        f"😀{CUT}",
        "a \x010\x02",
        f'"{CUT}"',
        f"「{CUT}」",
        f"a — {CUT}, b",
        f"({CUT} – b)",
        f"{CUT} – b",
    ],
)
def test_what_is_rare_is_left_to_the_reference(line: str) -> None:
    assert tidied([(0, "a"), (2, line), (0, "b")]) == [(0, 0, "a"), (1, holes.GIVE_UP, ""), (2, 0, "b")]
