"""Find the files of a source, all of one kind and in their order."""

import contextlib
import itertools
import os
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.settings import SourceSettings
from pipeline.source import hub, wikimedia
from pipeline.source.dump_index import index_name
from pipeline.source.wikimedia import Listed
from pipeline.storage import File, check_address, fetch_text, file_at, files_below, is_web
from wikilm.errors import RunError, UsageError

PARQUET = "parquet"
PACKED = ("bz2", "gz", "xz", "zst")
DUMPS = {".xml": "xml", **{f".{codec}": f"xml.{codec}" for codec in PACKED}}
JSON_LINES = {".jsonl": "jsonl", ".ndjson": "jsonl"}
JSON_LINES |= {f"{name}.{codec}": f"jsonl.{codec}" for name in (*JSON_LINES, ".json") for codec in PACKED}
# What no library reads as a stream that is kept as well as those above, and what does.
UNREAD = {"7z": "7z x -so", "zip": "unzip -p", "lz4": "lz4 -dc", "br": "brotli -dc", "lzma": "xz -dc", "z": "zcat"}
# The wiki, the date and the job of a dump: files that differ in these hold pages of one wiki twice.
_DUMP = re.compile(r"[a-z][a-z0-9_]*-(?:[0-9]{8}|latest)-(?:pages|stub)-(?:articles|meta-current|meta-history)")
_PART = re.compile(r"p([0-9]{1,19})p([0-9]{1,19})(?=\.)")  # the page ids that a part of a dump is named by


@dataclass(frozen=True)
class SourceFile:
    """One file, with the index that belongs to it where it is multistream."""

    file: File
    index: File | None
    checksum: str  # as its listing or its server says it; '' of local files
    name: str  # within the source's folder


@dataclass(frozen=True)
class SourceFiles:
    """All files of a source."""

    name: str
    kind: str  # as in `SourceEntry.kind`
    files: tuple[SourceFile, ...]

    @property
    def is_wikitext(self) -> bool:
        """Whether its texts need cleaning: those of dumps do, those of Parquet and jsonl are plain."""
        return self.kind in ("multistream", *DUMPS.values())

    @property
    def is_jsonl(self) -> bool:
        """Whether its lines are articles."""
        return self.kind in JSON_LINES.values()


def find_files(settings: SourceSettings) -> SourceFiles:
    """Look up what a source names; no file is read.

    Raises:
        UsageError: nothing is there, or its name is of no kind that can be read, or a contact is missing.
        RunError: what is there is not whole, or its server cannot be asked.
    """
    if settings.path.startswith("wikimedia:"):
        check_address(settings.mirror, "source.mirror", settings.contact)
    elif "://" in settings.path:
        check_address(settings.path, settings.named_by, settings.contact)
    try:
        return _found(settings)
    except UsageError as error:
        raise UsageError(f"{settings.named_by}: {error}") from None


def _found(settings: SourceSettings) -> SourceFiles:
    path = settings.path
    if path.startswith("wikimedia:"):
        name, listed = wikimedia.find(path, settings.mirror.rstrip("/"), settings.contact or "")
    elif "://" in path:
        pinned = hub.pin(path) if path.startswith("hf://") else path
        name, listed = os.path.basename(path.rstrip("/")), _remote(pinned, settings.contact)
    else:
        _check_is_there(path)
        path = os.path.abspath(path)
        name, listed = os.path.basename(path), _local(path)
    kind = _one_kind(settings.path, listed)
    inorder = sorted(listed, key=lambda one: natural(one.name))
    return SourceFiles(name, kind, tuple(_with_index(one, kind, settings.contact) for one in inorder))


def kind_of(name: str) -> str | None:
    """Return the kind of file that a name says, as in `SourceEntry.kind`; None where it says none."""
    if index_name(os.path.basename(name)) is not None:
        return "multistream"
    name = os.path.basename(name).lower()
    if name.endswith(".parquet"):
        return PARQUET
    ends = [kind for end, kind in JSON_LINES.items() if name.endswith(end)]
    if ends:
        return ends[0]
    # Dumps in several files are called *.xml-p1p41242.bz2.
    return DUMPS.get(os.path.splitext(name)[1]) if ".xml" in name else None


def natural(name: str) -> list[tuple[int, int, str]]:
    """Make a key that sorts part 2 before part 10."""
    parts = re.split("([0-9]+)", name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts]


def _local(path: str) -> list[Listed]:
    if not os.path.isdir(path):
        if not os.path.isfile(path):
            raise UsageError(f"{path}: is neither a file nor a folder, but a pipe or device; name a file")
        _check_packer(path)
        return [Listed(os.path.basename(path), path)]
    return _readable(path, _below(Path(path)))


def _check_is_there(path: str) -> None:
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last where it holds a null
        raise UsageError(f"{path}: no such file or folder") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot read it: {error.strerror}") from None


def _below(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the files of a folder, those of folders in it and of links to folders too: (name within it, path).

    Raises:
        UsageError: one that may have pages, or a folder, cannot be read.
    """
    seen: set[tuple[int, int]] = set()  # a link may lead to where it is
    for folder, folders, names in os.walk(root, onerror=_cannot_be_read, followlinks=True):
        found = os.stat(folder)
        if (found.st_dev, found.st_ino) in seen:
            folders.clear()
            continue
        seen.add((found.st_dev, found.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in (Path(folder, name) for name in names):
            name = file.relative_to(root).as_posix()
            if file.is_file():
                yield name, str(file)
            elif kind_of(name) is not None and not file.name.startswith("."):
                raise UsageError(f"{root}: {name} is no file that can be read; remove it there, or name another folder")


def _cannot_be_read(error: OSError) -> None:
    raise UsageError(f"{error.filename}: cannot read it: {error.strerror}; leave no such folder in a source")


def _remote(url: str, contact: str | None) -> list[Listed]:
    _check_packer(url)
    if kind_of(url) is not None:
        return [Listed(os.path.basename(url), url)]
    if not is_web(url):
        return _readable(url, files_below(url))
    if not url.endswith("/"):
        raise UsageError(f"{url}: {_unknown(url)}; the address of a folder ends with /")
    listing = fetch_text(url, contact or "")
    if odd := [name for name in wikimedia.odd_links(listing) if kind_of(name) is not None]:
        raise UsageError(f"{url}: lists {odd[0]!a}; rename it there, in letters, digits and . _ - alone")
    return _readable(url, ((name, url + name) for name in wikimedia.links(listing)))


def _readable(folder: str, found: Iterable[tuple[str, str]]) -> list[Listed]:
    """Keep those files of a folder that have pages in them, and are not hidden."""
    shown = [(name, url) for name, url in found if not any(part.startswith(".") for part in name.split("/"))]
    for _, url in shown:
        _check_packer(url)
    listed = [Listed(name, url) for name, url in shown if kind_of(name) is not None]
    if not listed:
        raise UsageError(f"{folder}: no dump, .parquet or .jsonl file in this folder; name a file or another folder")
    for one in listed:
        if one.name != one.name.encode(errors="replace").decode():  # names travel into manifests, which are UTF-8
            raise UsageError(f"{folder}: the name of {one.name!a} is no UTF-8; rename it")
    return listed


def _one_kind(path: str, listed: list[Listed]) -> str:
    """Return the kind that all files have.

    Raises:
        UsageError: they are of several kinds or of none, or hold the same pages twice.
    """
    kinds = {kind_of(one.name): one.name for one in listed}
    if None in kinds:
        raise UsageError(f"{path}: {_unknown(path)}")
    if len(kinds) > 1:
        first, second = sorted(kinds.values())[:2]
        raise UsageError(f"{path}: holds files of several kinds ({first}, {second}); name one of them")
    [kind] = kinds
    dumps = {match[0]: one.name for one in listed if (match := _DUMP.match(os.path.basename(one.name)))}
    if len(dumps) > 1:
        first, second = sorted(dumps.values())[:2]
        raise UsageError(f"{path}: {first} and {second} are two dumps of the same pages; name one of them")
    ranges = sorted((int(part[1]), int(part[2]), one.name) for one in listed if (part := _PART.search(one.name)))
    whole = [one.name for one in listed if not _PART.search(one.name)]
    if kind != PARQUET and ranges and whole:
        raise UsageError(f"{path}: holds a whole dump and parts of one ({whole[0]}, {ranges[0][2]}); name one of them")
    for (_, last, one), (first_id, _, other) in itertools.pairwise(ranges):
        if kind != PARQUET and first_id <= last:
            raise UsageError(f"{path}: {one} and {other} hold the same pages; keep one of them there")
    return str(kind)


def _with_index(one: Listed, kind: str, contact: str | None) -> SourceFile:
    file = _described(one.url, contact)
    if one.bytes is not None and one.bytes != file.bytes:
        raise RunError(
            f"{one.url}: has {file.bytes} bytes, where its listing says {one.bytes}; try another date or mirror"
        )
    index = None
    if kind == "multistream":
        index = _index(index_name(one.url) or "", file, contact)
    return SourceFile(file, index, one.checksum or file.checksum, one.name)


def _index(url: str, dump: File, contact: str | None) -> File:
    """Describe the index of a dump, which may lie there unpacked."""
    for name in (url, url.removesuffix(".bz2")):
        with contextlib.suppress(FileNotFoundError):
            return file_at(name, contact)
    raise RunError(
        f"{url}: no such file: the index of {dump.name} must lie beside it; download it, or take"
        " '-multistream' out of the dump's name to read it without"
    )


def _described(url: str, contact: str | None) -> File:
    try:
        return file_at(url, contact)
    except FileNotFoundError as error:
        raise UsageError(str(error)) from None


def _unknown(path: str) -> str:
    known = f".parquet, .xml and .jsonl, and the latter two with {', '.join(f'.{codec}' for codec in PACKED)}"
    return f"cannot tell its kind from its name; known are {known}"


def _check_packer(path: str) -> None:
    """Refuse a dump or a table packed in a way that is not read, whose pages a folder should not lose silently."""
    name = os.path.basename(path)
    stem, _, packer = name.lower().rpartition(".")
    command = UNREAD.get(packer)
    kind = re.search(r"\.(?:xml|jsonl|ndjson|json)(?=[.-]|$)", stem)
    if command is not None and kind is not None:
        raise UsageError(
            f"{path}: .{packer} is not read; pack it anew: {command} {shlex.quote(name)} | zstd > "
            f"{shlex.quote(name[: -len(packer)] + 'zst')}"
        )
