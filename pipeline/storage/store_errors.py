"""Translate what the clients of object stores raise, which is a wide field, into few errors of one line each."""

import re

from fsspec.exceptions import FSTimeoutError

from pipeline.storage.file import NotThereError
from wikilm.errors import RunError


class StoreError(RunError):
    """A store fails."""


class NoBucketError(NotThereError):
    """There is not even the bucket."""


class RefusedError(StoreError):
    """The store refuses access: no credentials, or none that suffice."""


def translated(url: str, error: Exception) -> RunError:
    """Translate an error of a store's client into one of ours.

    Clients have classes of their own, of packages that may not be installed here: they are known by their names.

    Args:
        url: the address that was asked for; it begins the message.
        error: what was raised.
    """
    name, lines = type(error).__name__, str(error).strip().splitlines()
    if "bucket does not exist" in str(error):
        return NoBucketError(f"{url}: there is no such bucket; make it, or name another")
    if isinstance(error, FileNotFoundError) or "NotFound" in name:
        return NotThereError(f"{url}: no such file or folder")
    if isinstance(error, PermissionError) or "credential" in name.lower():
        return RefusedError(
            f"{url}: the store refuses it ({name}); credentials come from its own settings: "
            "AWS_* variables or ~/.aws, GOOGLE_APPLICATION_CREDENTIALS, HF_TOKEN"
        )
    if isinstance(error, TimeoutError | FSTimeoutError):
        return StoreError(f"{url}: no answer in time; try later")
    why = re.sub(r"\?\S+", "?…", lines[0])[:200] if lines else name  # the query of an address may be a signature
    return StoreError(f"{url}: the store fails ({name}): {why}")
