"""Describe and open files to read, wherever they lie."""

import functools
import hashlib
import io
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import quote, urlsplit

from tqdm import tqdm

from pipeline.storage import store_reader
from pipeline.storage.file import AGAIN, Fetch, File, NotThereError
from pipeline.storage.ranges import BLOCK_BYTES, RangeReader, ReadAhead
from wikilm.errors import RunError, UsageError

# `web` is imported by the functions that need it: urllib3 is not there where only shards are read, for training.
READ_BYTES = 1 << 20
_WEB = ("http://", "https://")
# What RFC 3986 lets stand in no address as it is; characters of other scripts are encoded by the client.
_UNQUOTED = re.compile(r"""[\x00-\x20\x7f"<>\\^`{|}#]|%(?![0-9A-Fa-f]{2})""")


class ChangedError(RunError):
    """A local file has changed during the run: what was made of it must not be used, nor resumed from."""


def file_at(url: str, contact: str | None = None) -> File:
    """Describe the file at a path or an address, for a run to be planned with.

    Raises:
        FileNotFoundError: there is no such file.
        RunError: it cannot be looked at, or is empty.
    """
    try:
        if is_web(url):
            from pipeline.storage import web

            return web.describe(url, contact or "")
        if "://" in url:
            return store_reader.describe(url)
    except NotThereError as error:
        raise FileNotFoundError(str(error)) from None
    try:
        size = os.stat(url).st_size
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RunError(f"{url}: cannot read it: {error.strerror or error}") from None
    if size == 0:
        raise RunError(f"{url}: is empty; {AGAIN}")
    return File(url, size)


def open_file(file: File, end: int | None = None, block: int = BLOCK_BYTES) -> BinaryIO:
    """Open a file to read it from front to back, or from any position on.

    Args:
        file: as planned.
        end: no byte from here on is wanted; so none of them is asked of a server.
        block: bytes to ask a server for at a time.

    Raises:
        RunError: it cannot be opened, or is not what was planned. Reading may raise it, too.
    """
    if file.is_local:
        return _open_local(file)
    stop = file.bytes if end is None else end
    return cast(BinaryIO, io.BufferedReader(RangeReader(ReadAhead(_fetch(file), stop), stop), block))


def open_ranges(file: File) -> BinaryIO:
    """Open a file to read here and there: a server is asked for just the bytes of each read.

    Raises:
        RunError: as `open_file`.
    """
    return _open_local(file) if file.is_local else cast(BinaryIO, RangeReader(_fetch(file), file.bytes))


def fetch_text(url: str, contact: str) -> str:
    """Fetch a whole small file of a web server in UTF-8: a listing, or JSON.

    Raises:
        NotThereError: there is no such file.
        RunError: it cannot be had, is too large, or is no UTF-8.
    """
    from pipeline.storage import web

    return web.fetch_text(url, contact)


def is_web(url: str) -> bool:
    """Return whether it is an http(s) address."""
    return url.startswith(_WEB)


def check_address(url: str, key: str, contact: str | None = None) -> None:
    """Refuse an address that holds a secret, which would end up in logs and manifests, or that asks for a contact.

    Raises:
        UsageError: names the key, and not the address where that is the secret.
    """
    scheme = url.partition("://")[0]
    if is_web(url.strip().lower()) and not is_web(url):
        raise UsageError(
            f"{key}: {scheme[:20].strip()}://…: must start with {scheme.strip().lower()}://, as it is here"
        )
    if not re.fullmatch("[a-z][a-z0-9+.-]{0,19}", scheme) or "::" in re.sub(r"\[[0-9A-Fa-f:.]+\]", "", url):
        raise UsageError(f"{key}: {scheme[:20]}://…: no such kind of address")
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        assert parts.port is None or host  # looking at it finds ports that are none
    except ValueError:
        raise UsageError(f"{key}: {scheme}://…: is no valid address") from None
    if parts.password is not None or (is_web(url) and parts.username is not None):
        raise UsageError(
            f"{key}: {parts.scheme}://…@{host}: holds credentials; leave them out: http(s) takes them from ~/.netrc, "
            "s3:// from AWS_* variables, others from the settings of their store"
        )
    if is_web(url) and "?" in url:
        raise UsageError(
            f"{key}: {parts.scheme}://{host}{parts.path}?…: a signed or searching address cannot be a source, since it "
            "would be kept in logs and manifests; make the file readable, or use the store's own address (s3://, gs://)"
        )
    if is_web(url):
        _check_characters(url, key)
        from pipeline.storage.web_client import user_agent

        user_agent(contact or "")
        if not host:
            raise UsageError(f"{key}: {url}: names no host")


def _check_characters(url: str, key: str) -> None:
    """Refuse a web address with a character that must be encoded in one; what follows a '#' may be a secret."""
    shown = _UNQUOTED.sub(lambda found: quote(found[0], safe=""), url.partition("#")[0])
    if "#" in url:
        raise UsageError(f"{key}: {shown}#…: holds a '#', after which nothing is asked of a server; write it as %23")
    if found := _UNQUOTED.search(url):
        raise UsageError(f"{key}: {shown}: was given with {found[0]!r}, which no address can hold; write it as here")


def checksums(files: Sequence[File]) -> dict[File, str]:
    """'sha256:…' of the bytes of each local file.

    Every byte is read once; a progress bar appears on a terminal when that takes longer than two seconds.
    """
    total, digests = sum(file.bytes for file in files), {}
    with tqdm(total=total, unit="B", unit_scale=True, desc="sha256 of the source", delay=2, disable=None) as bar:
        for file in files:
            digest, before = hashlib.sha256(), stamps([file])
            with _open_local(file) as stored:
                while piece := stored.read(READ_BYTES):
                    digest.update(piece)
                    bar.update(len(piece))
            check_stamps(before)
            digests[file] = f"sha256:{digest.hexdigest()}"
    return digests


def stamps(files: Iterable[File]) -> dict[str, tuple[int, int]]:
    """Return path -> (size, time of the last change in ns) of local files: what `check_stamps` compares later."""
    found = {file.url: os.stat(file.url) for file in files if file.is_local}
    return {path: (stat.st_size, stat.st_mtime_ns) for path, stat in found.items()}


def check_stamps(before: Mapping[str, tuple[int, int]]) -> None:
    """Compare local files with what they were; a server is asked at every read instead.

    Raises:
        ChangedError: one has changed since, so that its checksum is not that of what was read.
    """
    now = stamps(File(path, 0) for path in before)
    if changed := [path for path in before if now[path] != before[path]]:
        raise ChangedError(f"{changed[0]}: has changed since the run began; run again")


def _fetch(file: File) -> Fetch:
    if not is_web(file.url):
        return store_reader.range_fetcher(file)
    from pipeline.storage import web

    return functools.partial(web.fetch, file)


def _open_local(file: File) -> BinaryIO:
    try:
        if os.stat(file.url).st_size != file.bytes:
            raise RunError(f"{file.url}: has changed since the run began; run again")
        return Path(file.url).open("rb")
    except OSError as error:
        raise RunError(f"{file.url}: cannot read it: {error.strerror or error}") from None
