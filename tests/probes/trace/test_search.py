"""A search in the sorted places answers as one that looks at every place of every row."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from probes.trace.search import Part
from probes.trace.suffixes import id_bytes, sorted_places

IDS = st.integers(0, 3)  # so few that most runs recur


def part_of(rows: np.ndarray, vocab_size: int, first_row: int = 0) -> Part:
    size = id_bytes(vocab_size)
    places = np.concatenate([*sorted_places(rows, vocab_size)])
    return Part("part", first_row, rows.astype(f">u{size}").tobytes(), memoryview(places), size, rows.shape[1] * size)


def naive_places(rows: np.ndarray, ids: list[int]) -> list[tuple[int, int]]:
    """Every (row, token) where the ids stand, by looking."""
    width = rows.shape[1]
    return [
        (number, start)
        for number, row in enumerate(rows.tolist())
        for start in range(width - len(ids) + 1)
        if row[start : start + len(ids)] == ids
    ]


@st.composite
def rows_and_text(draw):
    """Rows of few ids, and a text cut from them and mutated, or of its own."""
    width = draw(st.integers(1, 9))
    rows = draw(st.lists(st.lists(IDS, min_size=width, max_size=width), min_size=1, max_size=8))
    stream = [token for row in rows for token in row]  # so that a text may go over the end of a row
    start = draw(st.integers(0, len(stream) - 1))
    text = stream[start : start + draw(st.integers(1, 12))]
    for place in draw(st.lists(st.integers(0, len(text) - 1), max_size=2)):
        text[place] = draw(IDS)
    return np.array(rows), text + draw(st.lists(IDS, max_size=4))


@given(rows_and_text(), st.sampled_from([4, 65535, 65536, 65537]), st.integers(1, 4))
def test_a_search_answers_as_looking_everywhere_does(found, vocab_size, most):
    rows, text = found
    high = vocab_size - 1 - 3
    rows, text = rows + high, [token + high for token in text]  # the highest ids of the vocabulary
    part = part_of(rows, vocab_size, first_row=7)
    encoded = np.array(text, dtype=f">u{part.id_bytes}").tobytes()
    standing = [n for n in range(1, len(text) + 1) if naive_places(rows, text[:n])]
    assert part.longest(encoded) == max(standing, default=0)
    naive = naive_places(rows, text)
    first, last = part.span(encoded)
    assert last - first == len(naive)
    assert part.first_places(encoded, most) == [(row + 7, token) for row, token in naive[:most]]


@given(rows_and_text())
def test_every_place_is_sorted_once(found):
    rows, _ = found
    places = np.concatenate([*sorted_places(rows, 4)]).tolist()
    assert sorted(places) == list(range(rows.size))
    width = rows.shape[1]
    ends = [rows[place // width, place % width :].tolist() for place in places]
    assert ends == sorted(ends)
