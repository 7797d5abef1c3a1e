"""Know the errors that say that memory or threads are used up, whichever library raises them."""

from wikilm.errors import RunError, reason

# Some have no exception of their own: c10/core/CPUAllocator.cpp, c10/core/StorageImpl.h and cuBLAS.
_SAID = ("defaultcpuallocator", "out of memory", "storage size calculation overflowed", "cublas_status_alloc_failed")
_OF_RUST = "PanicException"  # of PyO3, which is no Exception


class OutOfMemory(RunError):
    """Something takes more memory than the host or its device has: less at a time may still fit."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the memory of the host or of a device is used up."""
    if isinstance(error, OutOfMemory | MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's
        return True
    return isinstance(error, RuntimeError) and any(said in str(error).lower() for said in _SAID)


def is_out_of_threads(error: BaseException) -> bool:
    """Return whether an error says that the system starts no more threads: of Python, or of a library in Rust."""
    if type(error).__name__ == _OF_RUST:
        return "resource temporarily unavailable" in str(error).lower()  # EAGAIN of pthread_create(3)
    return isinstance(error, RuntimeError) and "can't start new thread" in str(error)


def used_up(error: BaseException) -> str | None:
    """Return what to do about an error that says that memory or threads are used up; None for any other."""
    if isinstance(error, RunError):  # which says it itself
        return None
    if is_out_of_threads(error):
        return f"no thread can be started: {reason(error)}; allow more processes (ulimit -u) or memory (ulimit -v)"
    if is_out_of_memory(error):
        return f"out of memory: {reason(error)}; free some, or allow more (ulimit -v)"
    return None
