"""Where a model computes: what the machine lacks is said with its flag, and memory that runs out halves a batch."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from probes.model.device import NUMBERS_AT_A_TIME, by_memory, device_of, dtype_of, rows_at_a_time
from probes.settings import Machine
from wikilm.errors import RunError, UsageError
from wikilm.limits import OutOfMemory

CPU = torch.device("cpu")


@pytest.fixture
def without_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def with_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)


def test_without_a_cuda_device_the_cpu_computes_and_cuda_is_refused(without_cuda):
    assert device_of(Machine("auto")) == device_of(Machine("cpu")) == CPU
    with pytest.raises(UsageError, match=r"^--device cuda: .*leave the flag out"):
        device_of(Machine("cuda"))


def test_a_cuda_device_is_taken_where_there_is_one_unless_the_cpu_is_asked_for(with_cuda):
    assert device_of(Machine("auto")).type == device_of(Machine("cuda")).type == "cuda"
    assert device_of(Machine("cpu")) == CPU


def test_numbers_that_a_device_lacks_are_refused(with_cuda):
    with pytest.raises(UsageError, match=r"^--dtype bfloat16: .*give float16"):
        dtype_of(Machine(dtype="bfloat16"), torch.device("cuda"))
    assert dtype_of(Machine(dtype="bfloat16"), CPU) == torch.bfloat16
    assert dtype_of(Machine(), CPU) == "auto"


def out_of_memory(error):
    raise error


ERRORS = (
    torch.OutOfMemoryError("CUDA out of memory."),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    MemoryError(),
    OutOfMemory("a model: out of memory"),
)


@given(rows=st.integers(0, 40), asked=st.integers(1, 50), held=st.integers(1, 50), error=st.sampled_from(ERRORS))
def test_every_row_is_computed_once_and_in_order_whatever_memory_holds(rows, asked, held, error):
    def compute(part):
        if part.stop - part.start > held:
            out_of_memory(error)
        return list(range(part.start, part.stop))

    runs = list(by_memory(rows, asked, compute))
    assert [row for run in runs for row in run] == list(range(rows))
    assert all(len(run) <= min(asked, held) for run in runs)


def test_a_row_that_memory_does_not_hold_is_an_error_and_other_errors_stay_what_they_are():
    with pytest.raises(RunError, match="does not hold a single row"):
        list(by_memory(3, 8, lambda _: out_of_memory(ERRORS[0])))
    with pytest.raises(RuntimeError, match="something else"):
        list(by_memory(3, 8, lambda _: out_of_memory(RuntimeError("something else"))))


def test_at_least_a_row_is_computed_at_a_time():
    for kind, numbers in NUMBERS_AT_A_TIME.items():
        assert rows_at_a_time(torch.device(kind), 10**12) == 1
        assert rows_at_a_time(torch.device(kind), numbers // 8) == 8
