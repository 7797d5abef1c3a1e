"""Describe a file, wherever it lies: its address, its size, and what tells it from a later one."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from wikilm.errors import RunError

Fetch = Callable[[int, int], bytes]  # (start, end) -> exactly the bytes from start to before end, or an error
AGAIN = "download or make it again"  # what to do about a file that is damaged


class NotThereError(RunError):
    """There is no such file or folder."""


@dataclass(frozen=True)
class File:
    """One file of the source as it was when the run was planned; a worker opens exactly this one, or fails."""

    url: str  # an absolute path, or an address without any credentials
    bytes: int
    version: str = ""  # what tells it from a later one: 'etag:…', 'modified:…', 'revision:…'; '' for local files
    contact: str = ""  # for the User-Agent, which http(s) asks for

    @property
    def name(self) -> str:
        """Its name without the folder, the same wherever it lies."""
        return os.path.basename(self.url)

    @property
    def is_local(self) -> bool:
        """Whether it lies on a file system of this machine."""
        return "://" not in self.url

    @property
    def checksum(self) -> str:
        """Its version as the manifest has it; '' for local files."""
        return self.version.replace('"', "")
