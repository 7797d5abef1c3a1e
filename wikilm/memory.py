"""Know the errors that say that memory is used up, whichever library raises them."""

from wikilm.errors import RunError

# Some have no exception of their own: c10/core/CPUAllocator.cpp, c10/core/StorageImpl.h and cuBLAS.
_SAID = ("defaultcpuallocator", "out of memory", "storage size calculation overflowed", "cublas_status_alloc_failed")


class OutOfMemory(RunError):
    """Something takes more memory than the host or its device has: less at a time may still fit."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the memory of the host or of a device is used up."""
    if isinstance(error, OutOfMemory | MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's
        return True
    return isinstance(error, RuntimeError) and any(said in str(error).lower() for said in _SAID)
