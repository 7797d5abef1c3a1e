"""Read from the object stores that fsspec knows (s3://, gs://, hf://): files, their versions, ranges of their bytes."""

import logging
import re
import time
from typing import Any

from pipeline.storage.file import Fetch, File, NotThereError
from pipeline.storage.store_errors import translated
from wikilm.errors import RunError, UsageError
from wikilm.missing import how_to_install

TRIES = 4  # beside those of the store's own client
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}  # scheme -> our extra that brings its package
logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # it logs tracebacks of what is told here in one line
_PINNED = re.compile("^hf://[^@]*@([0-9a-f]{40})/")


def describe(url: str) -> File:
    """Ask a store for a file's size and version.

    Raises:
        NotThereError: it has no such file.
        RunError: the store cannot be asked.
        UsageError: no such scheme, or the package for it is missing.
    """
    store = filesystem(url)
    try:
        if not _PINNED.search(url):  # a commit of the hub never changes: one listing does for all its files
            store.invalidate_cache()
        found = store.info(store._strip_protocol(url))
    except Exception as error:  # each store's client has errors of its own
        raise translated(url, error) from None
    if found["type"] != "file" or not isinstance(found.get("size"), int):
        raise NotThereError(f"{url}: is no file with a size")
    if found["size"] == 0:
        raise RunError(f"{url}: is empty; download or make it again")
    return File(url, found["size"], _version(store, url, found))


def files_below(url: str) -> list[tuple[str, str]]:
    """List all files in a folder and below it, as (name relative to it, address); none of a missing folder."""
    store = filesystem(url)
    try:
        store.invalidate_cache()
        root = str(store._strip_protocol(url)).rstrip("/")
        found = [str(path) for path in store.find(root)]
    except FileNotFoundError:
        return []
    except Exception as error:
        raise translated(url, error) from None
    names = [path.removeprefix(root).lstrip("/") for path in found if path.startswith(root + "/")]
    return [(name, f"{url.rstrip('/')}/{name}") for name in names]


def range_fetcher(file: File) -> Fetch:
    """Compare a file with the plan, and give a function that reads ranges of it.

    Raises:
        RunError: it has changed; or later, while it is read.
    """
    now = describe(file.url)
    if (now.bytes, now.version) != (file.bytes, file.version):
        raise _changed(file.url)
    try:
        # S3 and the hub are asked for this very version from here on (If-Match, a commit).
        client = filesystem(file.url)
        handle = client.open(client._strip_protocol(file.url), "rb", cache_type="none")
    except Exception as error:
        raise translated(file.url, error) from None

    def fetch(start: int, end: int) -> bytes:
        why: Exception = RunError("")
        for attempt in range(TRIES):
            try:
                handle.seek(start)
                data = bytes(handle.read(end - start))
            except Exception as error:
                if type(error).__name__ == "FileExpired":
                    raise _changed(file.url) from None
                if isinstance(error, FileNotFoundError | PermissionError):
                    raise translated(file.url, error) from None
                why = error
            else:
                if len(data) == end - start:
                    return data
                why = OSError(f"{len(data)} of {end - start} bytes came")
            time.sleep(0.5 * 2**attempt)
        raise translated(file.url, why)

    return fetch


def filesystem(url: str, **options: Any) -> Any:
    """Return the client of the store that an address names, made by fsspec with these options.

    Raises:
        UsageError: fsspec knows no such scheme, or a package is missing.
    """
    import fsspec

    scheme = url.partition("://")[0]
    try:
        return fsspec.filesystem(scheme, **options)
    except ImportError:
        extra = EXTRAS.get(scheme)
        hint = how_to_install(extra) if extra else f"the package that fsspec needs for {scheme}://"
        raise UsageError(f"{url}: a package is missing: {hint}") from None
    except ValueError:
        raise UsageError(f"{url}: no such kind of address: {scheme[:20]}://") from None
    except Exception as error:
        raise translated(url, error) from None


def _version(store: Any, url: str, found: dict[str, Any]) -> str:
    if pinned := _PINNED.search(url):
        return f"revision:{pinned[1]}"
    tag = found.get("ETag") or found.get("etag")
    return f"etag:{tag}" if tag else f"ukey:{store.ukey(store._strip_protocol(url))}"


def _changed(url: str) -> RunError:
    return RunError(f"{url}: has changed since the run began; run again")
