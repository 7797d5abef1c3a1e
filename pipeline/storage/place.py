"""Write whole files into a folder or an object store: nothing half-written ever has a name."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipeline.storage.store_writer import Store, temporary_file
from wikilm.errors import UsageError
from wikilm.files import new_file, sha256_of, sync

FILES_AT_ONCE = 8  # that are read side by side where many are: a store answers each of them slowly


@dataclass(frozen=True)
class Place:
    """A folder to write files to; small enough to travel with every step of the Beam graph.

    Names are relative, with forward slashes. `url` is an absolute path, or an address that fsspec knows
    (s3://bucket/folder). What a store's methods raise is said in `store_writer.py`; a folder's raise OSError.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine (or of a file system that is mounted here)."""
        return "://" not in self.url

    @property
    def path(self) -> Path:
        """The folder of a local place."""
        assert self.is_local, self.url
        return Path(self.url)

    @property
    def store(self) -> Store:
        """The folder of a place that is not local."""
        assert not self.is_local, self.url
        return Store(self.url)

    def inside(self, name: str) -> "Place":
        """Return a folder in this folder."""
        return Place(f"{self.url}/{name}")

    @contextlib.contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        """Open a file to write, which has its name once the block has ended well: whole or not at all.

        Two workers may make the same file at once: the last one wins, with the same bytes.

        Raises:
            OSError: no space, no permission, no connection; what was written is gone then.
        """
        if not self.is_local:
            with temporary_file() as file:
                yield file
                self.store.put(name, file)
            return
        with new_file(self.path / name) as file:
            yield file

    def write(self, name: str, data: bytes | memoryview) -> None:
        """Write a file whole or not at all (see `create`)."""
        with self.create(name) as file:
            file.write(data)

    def create_new(self, name: str, data: bytes) -> bool:
        """Write a file unless there is one of that name, which gives False. Of two that try at once, one gets True."""
        if not self.is_local:
            return self.store.create_new(name, data)
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as file:
                file.write(data)
        except FileExistsError:
            return False
        return True

    def read(self, name: str) -> bytes:
        """Read the bytes of a file.

        Raises:
            FileNotFoundError: there is none.
        """
        return (self.path / name).read_bytes() if self.is_local else self.store.get(name)

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield the lines of a file, each with its line feed, without holding the file in memory.

        Raises:
            FileNotFoundError: there is none.
        """
        if not self.is_local:
            yield from self.store.lines(name)
            return
        with (self.path / name).open("rb") as file:
            yield from file

    def sha256(self, name: str) -> str:
        """Hash a file as hex sha256, read in pieces."""
        return sha256_of(self.path / name) if self.is_local else self.store.sha256(name)

    def names(self, folder: str = "") -> list[str]:
        """Return the names of the files in a folder of this place, in alphabetical order; none of a missing folder."""
        return self._entries(folder)[0]

    def folders(self, folder: str = "") -> list[str]:
        """Return the names of the folders in a folder of this place, in alphabetical order."""
        return self._entries(folder)[1]

    def sizes(self, folder: str = "") -> dict[str, int]:
        """Return the path within the folder -> bytes of every file in it and below it."""
        if not self.is_local:
            return self.store.sizes(folder)
        root = self.path / folder
        paths = sorted(Path(parent) / name for parent, _, names in os.walk(root) for name in names)
        found = {}
        for path in paths:
            with contextlib.suppress(FileNotFoundError):  # a worker has just given it its final name
                # A file may be a link into DVC's cache; one that leads nowhere is there all the same.
                status = path.stat() if path.exists() else path.lstat()
                found[path.relative_to(root).as_posix()] = status.st_size
        return found

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all that is in it; nothing happens where there is none."""
        if not self.is_local:
            self.store.remove(name)
            return
        path = self.path / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def move_from(self, other: "Place", name: str) -> None:
        """Move a file or folder of another place here, under the same name, which must be free.

        In a store, where nothing can be renamed, it is copied; the other place still has it.
        """
        if self.is_local:
            os.rename(other.path / name, self.path / name)
            return
        below = [f"{name}/{path}" if path else name for path in other.sizes(name)]
        self.store.copy(other.store, below)

    def sync(self) -> None:
        """Have the device hold the names in this folder; a store needs no such thing."""
        if self.is_local:
            sync(self.path)

    def _entries(self, folder: str) -> tuple[list[str], list[str]]:
        if not self.is_local:
            return self.store.list(folder)
        with contextlib.suppress(FileNotFoundError):
            entries = sorted(os.scandir(self.path / folder), key=lambda entry: entry.name)
            is_folder = [entry.is_dir(follow_symlinks=False) for entry in entries]
            pairs = list(zip(entries, is_folder, strict=True))
            return [entry.name for entry, yes in pairs if not yes], [entry.name for entry, yes in pairs if yes]
        return [], []


def parse_place(text: str, flag: str) -> Place:
    """Parse the place that a user names: a folder, or an address.

    Raises:
        UsageError: the address holds credentials (and is not repeated), or names no bucket.
    """
    protocol, found, rest = text.partition("://")
    if not found:
        return Place(os.path.abspath(text))
    if protocol in ("file", "local"):
        return Place(os.path.abspath("/" + rest.lstrip("/")))
    if protocol in ("http", "https"):
        raise UsageError(
            f"{flag}: {protocol}:// cannot be written to; name a folder, or a store such as s3://BUCKET/FOLDER"
        )
    # Anywhere, since a secret key may hold slashes: key:sec/ret@bucket.
    if "@" in rest or "?" in rest or "::" in text or ":" in rest.split("/")[0]:
        raise UsageError(
            f"{flag}: an address with a user name, key, token or '::' in it is not taken; let the store's own "
            "settings hold them (for S3: AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_ENDPOINT_URL)"
        )
    rest = rest.strip("/")
    if not rest:
        raise UsageError(f"{flag}: {protocol}:// names no bucket; write {protocol}://BUCKET/FOLDER")
    return Place(f"{protocol}://{rest}")
