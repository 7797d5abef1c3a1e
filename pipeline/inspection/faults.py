"""Find what of a folder of shards, or of the source it was made of, is not as the manifest says."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from pipeline.settings import SourceSettings
from pipeline.storage import FILES_AT_ONCE, Place
from wikilm.errors import RunError
from wikilm.shards.format import MANIFEST, SPLITS
from wikilm.shards.manifest import FileEntry, Manifest, imbalances, parse_manifest
from wikilm.shards.reading import open_split, read_manifest


def manifest_of(folder: Place) -> Manifest:
    """Read the manifest of a folder of shards, here or in an object store.

    Raises:
        RunError: there is none, or it is damaged.
    """
    if folder.is_local:
        return read_manifest(folder.path)
    path = f"{folder}/{MANIFEST}"
    try:
        return parse_manifest(folder.read(MANIFEST), path)
    except FileNotFoundError:
        raise RunError(f"{path}: no such object, so there are no finished shards; make them first") from None


def faults(folder: Place, manifest: Manifest, sizes: Mapping[str, int]) -> Iterator[str]:
    """Yield what is wrong with a set of shards, one line each: its files, its sums, then, in a folder, its rows.

    Args:
        folder: of the shards.
        manifest: of them.
        sizes: path -> bytes of all files that are there.
    """
    found = [f"{folder}/{path}: {problem}" for path, problem in _of_files(folder, manifest, sizes)]
    found += [
        f"{folder}/{MANIFEST}: {line}" for line in imbalances(manifest.counts, manifest.chunk_tokens, manifest.shards)
    ]
    yield from found
    if found or not folder.is_local:
        return
    for split in SPLITS:
        try:
            open_split(folder.path, manifest, split)
        except RunError as error:
            yield str(error)


def source_faults(settings: SourceSettings, manifest: Manifest) -> Iterator[str]:
    """Yield a line for each way in which a source is not as the manifest says."""
    from pipeline.source import entry_of, find_files

    now = entry_of(find_files(settings), manifest.source.units, hashed=True)
    before = {file.name: file for file in manifest.source.files}
    if len(before) == len(now.files) == 1:  # one file may have got another name
        before = {now.files[0].name: manifest.source.files[0]}
    for file in now.files:
        then = before.pop(file.name, None)
        if then is None:
            yield f"{settings.path}: {file.name} is not named in {MANIFEST}"
        elif file.bytes != then.bytes:
            yield f"{settings.path}: {file.name} has {file.bytes} bytes instead of {then.bytes}"
        elif file.checksum != then.checksum:
            yield f"{settings.path}: {file.name} has {file.checksum} instead of {then.checksum}"
    yield from (f"{settings.path}: {name} is missing" for name in before)


def _of_files(folder: Place, manifest: Manifest, sizes: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    def problem(entry: FileEntry) -> str | None:
        if (size := sizes.get(entry.path)) is None:
            return "is missing"
        if size != entry.bytes:
            return f"has {size} bytes instead of {entry.bytes}"
        digest = folder.sha256(entry.path)
        return f"has sha256 {digest} instead of {entry.sha256}" if digest != entry.sha256 else None

    with ThreadPoolExecutor(FILES_AT_ONCE) as threads:
        found = threads.map(problem, manifest.entries)
        yield from ((entry.path, why) for entry, why in zip(manifest.entries, found, strict=True) if why)
