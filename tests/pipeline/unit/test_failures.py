"""The reason of a failed step is found again in whatever a runner wraps around it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.unit.failures import failure, marked_reason, marks_failure
from wikilm.errors import RunError

lines = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=30)


@given(lines, st.text(max_size=30), st.text(max_size=30))
def test_a_reason_is_found_in_any_text_around_it(why, before, after):
    assert marked_reason(f"{before}{failure(why)}{after} [while running 'read']") == why
    assert marked_reason(before + after) is None


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (RunError("x.bz2: is damaged"), "x.bz2: is damaged"),
        (ValueError("one\ntwo"), "ValueError: one two"),
    ],
)
def test_a_step_ends_with_its_own_reason_on_one_line_and_names_the_kind_of_an_error_that_is_not_ours(error, why):
    @marks_failure
    def step(number: int) -> int:
        if number:
            raise error
        return 7

    assert step(0) == 7
    with pytest.raises(RunError) as caught:
        step(1)
    assert marked_reason(str(caught.value)) == why
