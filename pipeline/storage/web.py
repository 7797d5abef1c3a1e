"""Read from web servers: a file's size and version, ranges of its bytes, and whole small texts."""

import re
import time
from collections.abc import Callable
from typing import TypeVar

import urllib3
from urllib3.exceptions import HTTPError

from pipeline.storage.file import File, NotThereError
from pipeline.storage.proxy import proxy_note
from pipeline.storage.web_client import BACKOFF_SECONDS, TRIES, get
from wikilm.errors import RunError

BODY_SECONDS = 600.0  # for one answer; a block of 8 MiB at 14 kB/s
MAX_TEXT_BYTES = 64 << 20
_PIECE_BYTES = 1 << 16
_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})")
T = TypeVar("T")


def describe(url: str, contact: str) -> File:
    """Ask a server for a file's size and version, by a range of one byte, which shows whether it serves ranges.

    Raises:
        NotThereError: there is no such file.
        RunError: it cannot be had, is empty, or is served without ranges or without ETag and Last-Modified.
    """

    def ask() -> File:
        with get(url, contact, {"Range": "bytes=0-0"}) as response:
            if response.status == 416:
                raise RunError(f"{url}: is empty")
            total = _range(response, url, 0, 1)
            _read(response, bytearray(), 1, url)
            version = _version(response, url)
            return File(url, total, version, contact)

    return _with_tries(url, ask)


def fetch(file: File, start: int, end: int) -> bytes:
    """Fetch the bytes from `start` to before `end`; an interrupted read resumes where it stopped.

    Raises:
        RunError: the file has changed since it was planned, or the server does not send just these bytes.
    """
    body = bytearray()
    # A strong ETag lets the server itself refuse; in any case its answer is compared.
    condition = {"If-Match": file.version.removeprefix("etag:")} if file.version.startswith('etag:"') else {}

    def ask() -> bytes:
        at = start + len(body)
        headers = {"Range": f"bytes={at}-{end - 1}", **condition}
        if at < end:
            with get(file.url, file.contact, headers) as response:
                if response.status in (412, 416):
                    raise _changed(file)
                total = _range(response, file.url, at, end)
                if total != file.bytes or _version(response, file.url) != file.version:
                    raise _changed(file)
                _read(response, body, end - start, file.url)
        return bytes(body)

    return _with_tries(file.url, ask)


def fetch_text(url: str, contact: str) -> str:
    """Fetch a whole small file: a listing, or JSON.

    Raises:
        NotThereError: there is no such file.
        RunError: it cannot be had, is too large, or is no UTF-8.
    """

    def ask() -> bytes:
        body = bytearray()
        with get(url, contact, {}) as response:
            _check_status(response, url, 200)
            _read(response, body, None, url)
        return bytes(body)

    try:
        return _with_tries(url, ask).decode()
    except UnicodeDecodeError:
        raise RunError(f"{url}: is no text in UTF-8") from None


def _with_tries(url: str, ask: Callable[[], T]) -> T:
    """Ask again when a response is interrupted, which `get` does not see: it retries until one begins."""
    for attempt in range(TRIES):
        try:
            return ask()
        except (HTTPError, OSError) as error:
            why = error
        time.sleep(BACKOFF_SECONDS * 2**attempt)
    short = " ".join(str(why).split())[:200]
    raise RunError(f"{url}: the response was interrupted {TRIES} times ({short}); try later") from None


def _range(response: urllib3.BaseHTTPResponse, url: str, start: int, end: int) -> int:
    """Return the size of the whole file, from a response that must hold the bytes from `start` to before `end`."""
    if response.status == 200:
        raise RunError(f"{url}: its server ignores Range and sends whole files; download it and name the copy")
    _check_status(response, url, 206)
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if not found or (int(found[1]), int(found[2]) + 1) != (start, end) or int(found[3]) < end:
        raise RunError(f"{url}: its server sends other bytes than {start} to {end - 1}; download it and name the copy")
    length = response.headers.get("Content-Length", str(end - start))
    if length != str(end - start):
        raise RunError(f"{url}: its server sends {length[:20]} bytes for a range of {end - start}")
    return int(found[3])


def _check_status(response: urllib3.BaseHTTPResponse, url: str, wanted: int) -> None:
    status = response.status
    if status in (404, 410):
        raise NotThereError(f"{url}: is not there (HTTP {status}); check the address")
    if status in (401, 403):
        raise RunError(f"{url}: the server refuses it (HTTP {status}); a login belongs in ~/.netrc{proxy_note(url)}")
    if status != wanted:
        raise RunError(
            f"{url}: the server answers HTTP {status}, tried up to {TRIES + 1} times; try later{proxy_note(url)}"
        )
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise RunError(f"{url}: its server compresses on the way; download it and name the copy")


def _version(response: urllib3.BaseHTTPResponse, url: str) -> str:
    for prefix, key in (("etag:", "ETag"), ("modified:", "Last-Modified")):
        value = response.headers.get(key, "")
        if value:
            if not re.fullmatch("[ -~]{1,200}", value):
                raise RunError(f"{url}: its {key} is no header of a sane server; download it and name the copy")
            return prefix + value
    raise RunError(
        f"{url}: its server says neither ETag nor Last-Modified, so that no change could be seen; "
        "download it and name the copy"
    )


def _read(response: urllib3.BaseHTTPResponse, body: bytearray, wanted: int | None, url: str) -> None:
    """Append a response to `body`, which keeps what came of an interrupted one."""
    until = time.monotonic() + BODY_SECONDS
    while piece := response.read1(_PIECE_BYTES):
        body += piece
        if len(body) > (MAX_TEXT_BYTES if wanted is None else wanted):
            raise RunError(f"{url}: its server sends more than {MAX_TEXT_BYTES if wanted is None else wanted} bytes")
        if time.monotonic() > until:
            raise TimeoutError(f"a response took more than {BODY_SECONDS:.0f} s")
    if wanted is not None and len(body) < wanted:
        raise OSError(f"{len(body)} of {wanted} bytes")


def _changed(file: File) -> RunError:
    return RunError(f"{file.url}: has changed since the run began; run again")
