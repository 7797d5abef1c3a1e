"""Read a file by ranges of its bytes, without ever holding more than a block."""

import io
import threading
from concurrent.futures import Future
from typing import Any

from pipeline.storage.file import Fetch

BLOCK_BYTES = 8 << 20  # of one request: long enough to hide its cost, short enough to hold one in every worker


class ReadAhead:
    """Fetch the next block while the reader works on the last one: one at a time, and no byte from `end` on."""

    def __init__(self, fetch: Fetch, end: int) -> None:
        """Wrap a source of ranges (see `RangeReader`)."""
        self._fetch, self._end = fetch, end
        self._next: tuple[int, int, Future[bytes]] | None = None

    def __call__(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`."""
        if self._next and self._next[:2] == (start, stop):
            data = self._next[2].result()
        else:
            if self._next:  # one connection is enough, and clients of stores have one position
                self._next[2].exception()
            data = self._fetch(start, stop)
        follows = min(2 * stop - start, self._end)
        self._next = (stop, follows, self._begin(stop, follows)) if stop < follows else None
        return data

    def _begin(self, start: int, stop: int) -> Future[bytes]:
        future: Future[bytes] = Future()

        def work() -> None:
            try:
                future.set_result(self._fetch(start, stop))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()  # which no end of the program waits for
        return future


class RangeReader(io.RawIOBase):
    """A seekable stream of a remote file's bytes up to `end`; each read asks for what it needs and no more."""

    def __init__(self, fetch: Fetch, end: int) -> None:
        """Wrap a source of ranges.

        Args:
            fetch: (start, end) -> exactly the bytes from start to before end, or an error.
            end: where the stream ends, which may be before the file does.
        """
        self._fetch, self._end, self._at = fetch, end, 0

    def readable(self) -> bool:
        """Always true."""
        return True

    def seekable(self) -> bool:
        """Always true."""
        return True

    def tell(self) -> int:
        """Return where the next read starts."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position in the file."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill the whole buffer where the file is long enough, as readers of Parquet count on."""
        view = memoryview(buffer).cast("B")
        wanted = max(0, min(len(view), self._end - self._at))
        for start in range(0, wanted, BLOCK_BYTES):
            stop = min(start + BLOCK_BYTES, wanted)
            view[start:stop] = self._fetch(self._at + start, self._at + stop)
        self._at += wanted
        return wanted
