"""The kernel gives cross entropy and its slopes; here by Triton's interpreter, benchmarks/gpu_checks.py on a GPU."""

import pytest

from tests.helpers.kernels import ROUNDING, distances


@pytest.mark.slow
def test_losses_and_slopes_are_those_of_cross_entropy_and_what_is_ignored_or_only_fills_has_none() -> None:
    found = distances("loss")
    assert found
    for given, apart in found.items():
        assert apart < ROUNDING[given.split()[0]], given
