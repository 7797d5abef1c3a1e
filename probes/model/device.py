"""Choose where a model computes and in which numbers, and how much of the work at a time."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from probes.settings import Machine
from wikilm.errors import UsageError
from wikilm.limits import OutOfMemory, is_out_of_memory

# Of the largest tensor of a batch, such as its logits. A GPU wants much at a time; on a CPU more than 32 MiB of float32
# is slower: glibc takes each such tensor from the kernel anew (mallopt(3), M_MMAP_THRESHOLD).
NUMBERS_AT_A_TIME = {"cpu": 2**23, "cuda": 2**27}
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
T = TypeVar("T")


def device_of(machine: Machine) -> torch.device:
    """Return the device that a model is to be put on: by `auto` a CUDA device where there is one.

    Raises:
        UsageError: `--device cuda` on a machine without one.
    """
    has_cuda = torch.cuda.is_available()
    if machine.device == "cuda" and not has_cuda:
        why = "torch sees no CUDA device" if torch.version.cuda else "this torch is built without CUDA"
        raise UsageError(f"--device cuda: {why} here; leave the flag out, or give cpu")
    return torch.device("cuda" if has_cuda and machine.device != "cpu" else "cpu")


def dtype_of(machine: Machine, device: torch.device) -> torch.dtype | str:
    """Return the type of the weights in memory, for `from_pretrained`: by `auto` the one in which they are stored.

    Raises:
        UsageError: `--dtype bfloat16` on a CUDA device that does not compute in it.
    """
    lacks_bfloat16 = device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False)
    if machine.dtype == "bfloat16" and lacks_bfloat16:
        raise UsageError("--dtype bfloat16: this CUDA device does not compute in it; give float16 or float32")
    return _DTYPES.get(machine.dtype, "auto")


def rows_at_a_time(device: torch.device, numbers: int) -> int:
    """Return how many rows to compute at a time, where a row's largest tensor has so many numbers; at least 1."""
    return max(1, NUMBERS_AT_A_TIME[device.type] // max(1, numbers))


def by_memory(rows: int, at_a_time: int, compute: Callable[[slice], T]) -> Iterator[T]:
    """Yield what `compute` makes of each run of rows, and halve the runs where memory does not hold one.

    Args:
        rows: how many there are.
        at_a_time: rows of the first run.
        compute: called with the slice of the rows of a run, and again with half of them when memory ran out.

    Raises:
        OutOfMemory: memory does not hold a single row.
    """
    done = 0
    while done < rows:
        part = slice(done, min(rows, done + at_a_time))
        results: list[T] = []
        try:
            results.append(compute(part))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if part.stop - part.start == 1:
                raise OutOfMemory("memory does not hold a single row: shorten it, or give --device cpu") from error
        if results:
            yield results.pop()
            done = part.stop
        else:  # outside of the handler, whose traceback would keep the tensors of the run
            at_a_time = (part.stop - part.start) // 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
