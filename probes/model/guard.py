"""Turn whatever a model or its tokenizer raises into one line with its name."""

import functools
import inspect
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wikilm.errors import RunError
from wikilm.limits import OutOfMemory, is_out_of_memory, is_out_of_threads
from wikilm.model_folder import SAID


@contextmanager
def guarded(name: str) -> Iterator[None]:
    """Report what is raised inside in one line that names the model.

    A folder from elsewhere may hold anything, and what its parts can make torch, transformers and tokenizers raise is
    documented nowhere.

    Raises:
        OutOfMemory: the device has too little memory.
        RunError: anything else, but for what already is one.
    """
    try:
        yield
    except RunError:
        raise
    except Exception as error:
        if is_out_of_threads(error):
            raise
        if is_out_of_memory(error):
            raise OutOfMemory(f"{name}: out of memory: make texts or batches smaller") from error
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        said = f"{type(error).__name__}: {first[:SAID]}" if first else type(error).__name__
        raise RunError(f"{name}: cannot be asked ({said}); its files do not fit together, or are damaged") from error


def guard_passes(name: str, model: Any) -> None:
    """Guard every forward pass of `model` and its `generate()`, whoever calls them."""
    for method in ("forward", "generate"):
        if hasattr(model, method):
            setattr(model, method, _guarded_method(name, model, method))


def _guarded_method(name: str, model: Any, method: str) -> Any:
    plain, owner = getattr(type(model), method), weakref.ref(model)  # no cycle: a model is freed when it is let go

    @functools.wraps(plain)
    def call(*args: Any, **kwargs: Any) -> Any:
        with guarded(name):
            return plain(owner(), *args, **kwargs)

    call.__signature__ = inspect.signature(getattr(model, method))  # type: ignore[attr-defined]  # generate() reads it
    return call
