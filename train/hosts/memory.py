"""Have the C library keep the memory that a step has freed, for the next step; say what to do where it is used up."""

import contextlib
import ctypes
import os
import re
from collections.abc import Iterator

from wikilm.limits import OutOfMemory, is_out_of_memory

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h of glibc
NEVER = -1
SETTINGS = ("MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")  # by which a user decides


def keep_freed_memory() -> bool:
    """Have glibc return no memory to the system; return whether that is so.

    It gives tensors of more than 32 MiB pages of their own, and returns them when a tensor is freed. A step on a CPU
    asks for its gradients and activations anew, and the system clears each page when it is first written: at GPT-2 124M
    a quarter of the step's time. Other C libraries than glibc are left as they are, as are settings of a user.
    """
    if any(name in os.environ for name in SETTINGS):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, NEVER))


@contextlib.contextmanager
def exhaustion_told(settings: str, way_out: str) -> Iterator[None]:
    """Say, where the block takes more memory than there is, which settings take less.

    Args:
        settings: the file and section, such as `params.yaml: pretrain.causal`.
        way_out: what to change there.

    Raises:
        OutOfMemory: in place of what torch raises.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        asked = re.search(r"allocate ([\d.]+ \w+)", str(error))
        more = f" when {asked[1]} were asked for" if asked else ""
        raise OutOfMemory(f"{settings}: out of memory{more}: {way_out}") from error
