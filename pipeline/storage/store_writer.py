"""Write whole objects below an address that fsspec knows (s3://bucket/folder, gs://bucket/folder)."""

import contextlib
import hashlib
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from pipeline.storage.file import NotThereError
from pipeline.storage.store_errors import NoBucketError, RefusedError, translated
from pipeline.storage.store_reader import filesystem
from wikilm.errors import RunError, UsageError

SETTLE_SECONDS = 1.0  # within this time, a store without conditional writes has shown who came last
BLOCK_BYTES = 4 << 20


@dataclass(frozen=True)
class Store:
    """Objects below an address. Names are relative to it, with forward slashes; "" is the address itself.

    An object is there whole or not at all, as object stores promise. All methods raise FileNotFoundError for what is
    not there, UsageError for a missing bucket, permission or package, and OSError with the address for the rest.
    """

    url: str

    def put(self, name: str, file: BinaryIO) -> None:
        """Store what an open temporary file holds, which must have a name."""
        file.flush()
        with self._translated_errors():
            self._fs.put_file(file.name, self._at(name))

    def create_new(self, name: str, data: bytes) -> bool:
        """Store an object unless there is one of that name; False if there is. Takes `SETTLE_SECONDS`.

        The condition is the store's own where it knows one (S3, Google). Others let the last of two writers win, so
        what was written is read back after a while.
        """
        with self._translated_errors():
            if self._fs.exists(self._at(name)):
                return False
            try:
                self._fs.pipe_file(self._at(name), data, mode="create")
            except FileExistsError:
                return False
            except (TypeError, NotImplementedError):  # it knows no such mode
                self._fs.pipe_file(self._at(name), data)
        time.sleep(SETTLE_SECONDS)
        try:
            return self.get(name) == data
        except FileNotFoundError:
            return False

    def get(self, name: str) -> bytes:
        """Read the bytes of an object."""
        with self._translated_errors():
            return bytes(self._fs.cat_file(self._at(name)))

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield the lines of an object, read as a stream."""
        with self._translated_errors(), self._fs.open(self._at(name), "rb", block_size=BLOCK_BYTES) as file:
            yield from file

    def sha256(self, name: str) -> str:
        """Hash an object as hex sha256, read as a stream."""
        digest = hashlib.sha256()
        with self._translated_errors(), self._fs.open(self._at(name), "rb", block_size=BLOCK_BYTES) as file:
            while piece := file.read(BLOCK_BYTES):
                digest.update(piece)
        return digest.hexdigest()

    def list(self, folder: str) -> tuple[list[str], list[str]]:
        """Return the names of the objects in a folder, and of the folders in it; nothing of a missing folder."""
        at = self._at(folder)
        with contextlib.suppress(FileNotFoundError), self._translated_errors():
            found = self._fs.ls(at, detail=True, refresh=True)
            names: dict[str, list[str]] = {"file": [], "directory": []}
            for entry in found:
                if (name := entry["name"].rstrip("/")) != at and entry["type"] in names:  # a folder may hold itself
                    names[entry["type"]].append(name.rsplit("/", 1)[1])
            return sorted(names["file"]), sorted(names["directory"])
        return [], []

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the path within the folder -> size of all objects in it and below it."""
        at = self._at(folder)
        with contextlib.suppress(FileNotFoundError), self._translated_errors():
            found = self._fs.find(at, detail=True)
            return {path.removeprefix(at).lstrip("/"): int(entry["size"]) for path, entry in sorted(found.items())}
        return {}

    def remove(self, name: str) -> None:
        """Remove an object, or a folder with all that is in it; nothing happens where there is none."""
        at = self._at(name)
        with self._translated_errors():
            paths = [path for path in self._fs.find(at) if path == at or path.startswith(at + "/")]
            if paths:
                self._fs.rm(paths)

    def copy(self, source: "Store", names: Iterable[str]) -> None:
        """Copy objects of another folder of the same store, under the same names, many at a time."""
        pairs = [(source._at(name), self._at(name)) for name in names]
        with self._translated_errors():
            if pairs:
                self._fs.copy([old for old, _ in pairs], [new for _, new in pairs])

    @property
    def _fs(self) -> Any:
        # No listings from memory: other machines write here too.
        return filesystem(self.url, use_listings_cache=False)

    def _at(self, name: str) -> str:
        return str(self._fs._strip_protocol(f"{self.url}/{name}" if name else self.url))

    @contextlib.contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Raise what `Store` promises, which is what a folder raises where it can, for what its client raises."""
        try:
            yield
        except RunError:
            raise
        except Exception as error:
            found = translated(self.url, error)
            if isinstance(found, NoBucketError | RefusedError):
                raise UsageError(str(found)) from None
            if isinstance(found, NotThereError):
                raise FileNotFoundError(str(found)) from None
            raise OSError(str(found)) from error


def temporary_file() -> Any:
    """Return an open file to fill before it is stored; gone when it is closed."""
    return tempfile.NamedTemporaryFile(prefix="wikilm-")
