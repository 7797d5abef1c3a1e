"""A validation's figures are weighted by tokens, and those of each set have its name."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.progress.curves import values_of
from train.progress.validation import as_point, figures


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.integers(1, 1000), st.integers(1, 4000)), min_size=1, max_size=9),
)
def test_sums_weigh_each_token_and_each_byte_alike(batches: list[tuple[float, int, int]]) -> None:
    nats, targets, size = (sum(column) for column in zip(*batches, strict=True))
    found = figures(nats, targets, size)
    assert found["loss"] == nats / targets
    assert math.log(found["perplexity"]) == pytest.approx(min(found["loss"], 700), abs=1e-9)
    assert found["bits_per_byte"] * size == pytest.approx(found["loss"] * targets / math.log(2))


def test_text_written_by_chance_takes_eight_bits_per_byte() -> None:
    assert figures(10 * math.log(256), 10, 10)["bits_per_byte"] == pytest.approx(8)


@pytest.mark.parametrize("size", [None, 0])
def test_without_bytes_there_are_no_bits_per_byte(size: int | None) -> None:
    assert set(figures(10.0, 10, size)) == {"loss", "perplexity"}


def test_a_set_has_curves_of_its_own_beside_those_of_the_run() -> None:
    own, other = figures(10.0, 10, 20), figures(30.0, 10, None)
    assert values_of({"step": 1} | as_point(own, {"simple": other})) == {
        "validation_loss": 1.0, "perplexity": math.e, "bits_per_byte": own["bits_per_byte"],
        "validation/simple/loss": 3.0, "validation/simple/perplexity": math.exp(3),
    }  # fmt: skip
    assert "validation" not in as_point(own, {})
