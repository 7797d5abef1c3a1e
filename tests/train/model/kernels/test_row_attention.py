"""The kernel for short rows attends as torch does; here by Triton's interpreter, benchmarks/gpu_checks.py on a GPU."""

import pytest

from tests.helpers.kernels import ROUNDING, distances


@pytest.mark.slow
def test_values_and_gradients_are_those_of_torchs_attention() -> None:
    found = distances("attention")
    assert found
    for given, apart in found.items():
        assert apart < ROUNDING[given.split()[0]], given
