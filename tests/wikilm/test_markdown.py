"""Text of any origin stays text in Markdown: it opens no markup, no code and no cell."""

import re

from hypothesis import given
from hypothesis import strategies as st

from wikilm.markdown import code, plain, table

MARKUP = "\\`*_{}[]<>()#|!&~$"


@given(st.text(max_size=40))
def test_every_sign_of_markup_is_escaped_and_the_text_is_one_line(text):
    shown = plain(text)
    assert len(shown.splitlines()) <= 1
    assert not set(MARKUP) & set(re.sub(r"\\.", "", shown))


@given(st.text(max_size=40))
def test_a_span_of_code_ends_where_its_text_does_and_fits_a_cell(text):
    shown = code(text)
    assert shown[0] == shown[-1] == "`"
    assert not {"`", "|", "\n"} & set(shown[1:-1])


@given(st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9)), max_size=5))
def test_a_table_has_a_line_for_each_row_and_as_many_cells_in_all(rows):
    lines = table(("one", "two"), [(plain(one), code(two)) for one, two in rows]).split("\n")
    assert lines[:2] == ["| one | two |", "| --- | --- |"]
    assert len(lines) == 2 + len(rows)
    assert all(re.sub(r"\\.", "", line).count("|") == 3 for line in lines)
