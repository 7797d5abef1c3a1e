"""What says that memory is used up is known by whichever library raised it, and nothing else is."""

import pytest
import torch

from wikilm.memory import OutOfMemory, is_out_of_memory


def from_torch(make) -> Exception:
    with pytest.raises(RuntimeError) as error:
        make()
    return error.value


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemory("a model: out of memory"),
        torch.OutOfMemoryError(),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        from_torch(lambda: torch.empty(2**50)),
        from_torch(lambda: torch.empty(2**40, 2**40)),
    ],
)
def test_memory_that_is_used_up_is_known(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [OSError(28, "out of memory"), ValueError("out of memory"), RuntimeError("CUDA error: device-side assert")],
)
def test_other_errors_are_not_taken_for_it(error):
    assert not is_out_of_memory(error)
