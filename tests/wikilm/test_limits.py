"""What says that memory or threads are used up is known by whichever library raised it, and nothing else is."""

import pytest
import torch

from wikilm.limits import OutOfMemory, is_out_of_memory, used_up


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


class PanicException(BaseException):
    """What code in Rust raises through PyO3."""


AGAIN = 'ThreadPoolBuildError { kind: IOError(Os { code: 11, message: "Resource temporarily unavailable" }) }'


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("can't start new thread"), "no thread can be started: can't start new thread; allow more proc"),
        (PanicException(AGAIN), "no thread can be started: ThreadPoolBuildError"),
        (MemoryError(), "out of memory: MemoryError; free some, or allow more (ulimit -v)"),
    ],
)
def test_what_is_used_up_is_told_with_the_limit_to_raise(error, told):
    assert used_up(error).startswith(told)


@pytest.mark.parametrize(
    "error", [OutOfMemory("params.yaml: lower it"), PanicException("index out of bounds"), RuntimeError("no thread")]
)
def test_what_says_it_itself_and_what_is_another_fault_is_left_as_it_is(error):
    assert used_up(error) is None
