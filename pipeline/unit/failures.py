"""Carry the one-line reason of a failed step through Beam, which passes errors on as text, wrapped in its own."""

import functools
import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from wikilm.errors import RunError, reason

P = ParamSpec("P")
R = TypeVar("R")


def failure(why: str) -> str:
    """Mark a worker's one-line reason, so that it can be found within whatever Beam wraps around it."""
    return f"wikilm-failure<{why}>wikilm-failure"


def marked_reason(text: str) -> str | None:
    """Find the first reason that `failure` marked in a text, or None."""
    found = re.search("wikilm-failure<(.*?)>wikilm-failure", text)
    return found[1] if found else None


def marks_failure(function: Callable[P, R]) -> Callable[P, R]:
    """Make a step raise RunError with its reason marked, whatever it raises by itself."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            kind = "" if isinstance(error, RunError | OSError) else f"{type(error).__name__}: "
            raise RunError(failure(kind + reason(error))) from error

    return wrapped
