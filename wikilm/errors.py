"""Define the errors that a user can fix, and say each in one line that names the file, key or flag and the way out."""

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class RunError(Exception):
    """The run cannot be done: one line that names the file and the way out. Exit status 1."""

    exit_status = 1
    is_common = False  # whether all processes of a run have it, so that the first alone tells it


class UsageError(RunError):
    """The caller asked for something wrong: one line that names the flag or key and the way out. Exit status 2."""

    exit_status = 2
    is_common = True


def reason(error: BaseException) -> str:
    """One line that says what went wrong, for people; notes that were added to the error come after it."""
    return "; ".join([_reason(error), *getattr(error, "__notes__", [])])


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        where = f" while writing {error.filename}" if error.filename else ""
        return f"no space left on the device{where}: free some, or name another folder"
    return " ".join(str(error).split()) or type(error).__name__


def first_fault(error: "ValidationError") -> str:
    """Say where the first thing is that a record of pydantic may not hold, and what is wrong with it: `rows: ...`."""
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'file'}: {first['msg']}"
