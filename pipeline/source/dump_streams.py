"""Decompress stored bytes (bz2, xz, gzip, zstd, plain) in pieces, stream by stream; refuse what is cut or damaged."""

import bz2
import functools
import lzma
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

from pipeline.storage import AGAIN, File, open_ranges
from wikilm.errors import RunError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

READ_BYTES = 1 << 18
PIECE_BYTES = 1 << 20  # a few bytes of bz2 can stand for gigabytes: never more than this is decompressed at once
# Dumps shrink to a tenth, those of robots' articles to a fortieth. Text beyond this for its stored size is a bomb.
BOMB_BYTES, BOMB_RATIO = 256 << 20, 200


# A stream's own header says how much memory it needs; xz itself uses 65 MB at most to read what -9 has made.
XZ_BYTES = 256 << 20
_PADDED = ("bz2", "gz", "xz")  # zeros after a stream are padding, as bzip2(1), gzip(1) and the .xz file format have it
_NAMES = {"bz2": "bz2", "gz": "gzip", "xz": "xz", "zst": "zstd", "xml": "XML", "jsonl": "JSON", "parquet": "Parquet"}
_MAGIC = {
    "gzip": rb"\x1f\x8b", "bz2": rb"BZh[1-9]", "xz": rb"\xfd7zXZ\0", "7z": rb"7z\xbc\xaf\x27\x1c",
    "zstd": rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", "zip": rb"PK\x03\x04", "Parquet": rb"PAR1",
    "a web page (HTML)": rb"(?i:(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+)?html)",
    "XML": rb"(?:\xef\xbb\xbf)?\s*<(?:\?xml|(?:[\w.-]+:)?mediawiki)",
    "JSON": rb"(?:\xef\xbb\xbf)?\s*[{\[]\s*[\"\]{}]",
}  # fmt: skip


class _Decoder(Protocol):
    """The interface of bz2.BZ2Decompressor."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """One gzip member with the interface of bz2.BZ2Decompressor; zlib checks its length and CRC."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self.needs_input = True

    def decompress(self, data: bytes, max_length: int) -> bytes:
        piece = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self.needs_input = not self._zlib.unconsumed_tail and len(piece) < max_length
        return piece

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data


class _Plain:
    """Bytes stored as they are: one stream up to the end."""

    eof, needs_input, unused_data = False, True, b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return data


_DECODERS: dict[str, Callable[[], _Decoder]] = {
    "bz2": bz2.BZ2Decompressor,
    "gz": _Gzip,
    "xz": functools.partial(lzma.LZMADecompressor, memlimit=XZ_BYTES),
    "zst": zstd.ZstdDecompressor,  # refuses by itself what needs more than 128 MiB, as zstd(1) does without --long
    "xml": _Plain,
    "jsonl": _Plain,
}


def codec_of(kind: str) -> str:
    """Return how a kind of file, as in `SourceEntry.kind`, is stored: by the end of its name."""
    return "bz2" if kind == "multistream" else kind.rpartition(".")[2]


def misnamed(head: bytes, kind: str) -> str | None:
    """Return what a file is by its first bytes, where its name says something else; None where it is what it says."""
    found = next((name for name, magic in _MAGIC.items() if re.match(magic, head, re.DOTALL)), None)
    return None if found in (None, _NAMES[codec_of(kind)]) else found


def check_kind(file: File, kind: str) -> None:
    """Refuse a file that is not what its name says.

    Raises:
        RunError: says what it is.
    """
    with open_ranges(file) as stored:
        found = misnamed(stored.read(min(200, file.bytes)), kind)
    if found is not None:
        remedy = "download it again" if "HTML" in found else f"give it the name of what it is, or {AGAIN}"
        raise RunError(f"{file.url}: is {found}, not what its name says; {remedy}")


def pieces(file: BinaryIO, path: str, kind: str, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Decompress stored bytes `start` to before `end`, whole streams one after the other.

    Args:
        file: open at any place; is read from `start`.
        path: its name, for errors.
        kind: as in `SourceEntry.kind`.
        start: where a stream starts.
        end: where one ends.

    Yields:
        (byte of the file at which the stream starts, up to PIECE_BYTES of its text); none of an empty stream.

    Raises:
        RunError: a stream is cut or damaged, or something else stands where one should start; or there is far more
            text than stored bytes.
    """
    file.seek(start)
    codec = codec_of(kind)
    text = 0  # bytes that came out
    position, buffer = start, b""  # of the file: what has been read, and what of it no stream has taken yet
    while position < end or buffer:
        if codec in _PADDED and position > start:
            while not (buffer := buffer.lstrip(b"\0")) and position < end:
                buffer = file.read(min(READ_BYTES, end - position))
                if not buffer:
                    return
                position += len(buffer)
            if not buffer:
                return
        stream = position - len(buffer)
        decoder = _DECODERS[codec]()
        while not decoder.eof:
            if decoder.needs_input and not buffer:
                buffer = file.read(min(READ_BYTES, end - position))
                position += len(buffer)
                if not buffer:
                    if isinstance(decoder, _Plain) and position == end:
                        return
                    raise RunError(f"{path}: is cut: the {_NAMES[codec]} stream at byte {stream} has no end; {AGAIN}")
            given, buffer = (buffer, b"") if decoder.needs_input else (b"", buffer)
            try:
                piece = decoder.decompress(given, PIECE_BYTES)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zstd.ZstdError) as error:
                raise RunError(f"{path}: {_problem(error, codec, stream)}") from None
            text += len(piece)
            if text > BOMB_BYTES + BOMB_RATIO * (position - start):
                raise RunError(
                    f"{path}: is a decompression bomb: {text >> 20} MiB of text in {position - start}"
                    f" stored bytes, up to the {_NAMES[codec]} stream at byte {stream}; name another source"
                )
            if piece:
                yield stream, piece
        buffer = decoder.unused_data


def _problem(error: Exception, codec: str, stream: int) -> str:
    if "memory" in str(error).lower():  # neither library has an error of its own for it
        return (
            f"the {_NAMES[codec]} stream at byte {stream} wants more memory than is given ({error});"
            " pack it again without --long and --ultra"
        )
    return f"damaged in the {_NAMES[codec]} stream at byte {stream}: {error}; {AGAIN}"
