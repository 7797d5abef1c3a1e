"""Of a run's points, the lowest validation is the earliest of several, and what a clock measured is in no file."""

from hypothesis import given
from hypothesis import strategies as st

from train.progress.curves import CURVES, MEASURED, Point, lowest_validation, reproducible

LOSSES = st.none() | st.sampled_from([1.0, 2.0, 3.0])


def history(losses: list[float | None]) -> list[Point]:
    """Points of steps 1, 2, ..., some of which were validated."""
    points: list[Point] = [{"step": step, "loss": 5.0, **dict.fromkeys(MEASURED, 7.0 * step)} for step in range(1, 20)]
    return [
        point if loss is None else point | {"validation_loss": loss}
        for point, loss in zip(points, losses, strict=False)
    ]


@given(st.lists(LOSSES, max_size=19))
def test_the_lowest_validation_is_the_first_that_none_is_below(losses: list[float | None]) -> None:
    validated = [(loss, step) for step, loss in enumerate(losses, 1) if loss is not None]
    lowest = lowest_validation(history(losses))
    assert (lowest and (lowest["validation_loss"], lowest["step"])) == min(validated, default=None)


@given(st.lists(LOSSES, max_size=19))
def test_points_lose_what_a_clock_measured_and_nothing_else(losses: list[float | None]) -> None:
    points = history(losses)
    kept = reproducible(points)
    assert [point.keys() | set(MEASURED) for point in kept] == [point.keys() for point in points]
    assert all(not point.keys() & set(MEASURED) for point in kept)
    assert not set(CURVES) & set(MEASURED), "DVC hashes the curves"
