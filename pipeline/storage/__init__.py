"""Read and write bytes wherever they lie: in folders, on web servers and in object stores.

An address goes in, and a file to read or a place to write whole files comes out. Touches the network only for addresses
that name it, and knows nothing of dumps, pages or shards.
"""

from pipeline.storage.file import AGAIN, File, NotThereError
from pipeline.storage.lock import Lock, exclusive
from pipeline.storage.place import FILES_AT_ONCE, Place, parse_place
from pipeline.storage.proxy import loopback_direct
from pipeline.storage.reading import (
    ChangedError,
    check_address,
    check_stamps,
    checksums,
    fetch_text,
    file_at,
    is_web,
    open_file,
    open_ranges,
    stamps,
)
from pipeline.storage.store_reader import files_below

__all__ = [
    "AGAIN",
    "FILES_AT_ONCE",
    "ChangedError",
    "File",
    "Lock",
    "NotThereError",
    "Place",
    "check_address",
    "check_stamps",
    "checksums",
    "exclusive",
    "fetch_text",
    "file_at",
    "files_below",
    "is_web",
    "loopback_direct",
    "open_file",
    "open_ranges",
    "parse_place",
    "stamps",
]
