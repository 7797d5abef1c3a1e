"""Find what of a folder of shards, or of the source it was made of, is not as the manifest says."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from pipeline.settings import SourceSettings
from pipeline.storage import FILES_AT_ONCE, Place
from wikilm.errors import RunError
from wikilm.shards.balance import all_imbalances
from wikilm.shards.format import DUPLICATES, MANIFEST, SPLITS
from wikilm.shards.manifest import COPIES, FileEntry, Manifest, SourceEntry, parse_manifest
from wikilm.shards.reading import open_split, read_manifest
from wikilm.terminal import visible


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
    """Yield what is wrong with a set of shards, one line each: its files, its sums, its copies, in a folder its rows.

    Args:
        folder: of the shards.
        manifest: of them.
        sizes: path -> bytes of all files that are there.
    """
    found = [f"{folder}/{path}: {problem}" for path, problem in _of_files(folder, manifest, sizes)]
    found += [f"{folder}/{MANIFEST}: {line}" for line in all_imbalances(manifest)]
    if not found and manifest.deduplication is not None:
        found += [f"{folder}/{DUPLICATES}: {problem}" for problem in _of_copies(folder, manifest)]
    yield from found
    if found or not folder.is_local:
        return
    for split in SPLITS:
        try:
            open_split(folder.path, manifest, split)
        except RunError as error:
            yield str(error)


def source_faults(settings: SourceSettings, manifest: Manifest) -> Iterator[str]:
    """Yield a line for each way in which a source is not as the manifest says; of several, the one of its wiki."""
    from pipeline.source import entry_of, find_files

    found = find_files(settings)
    then = _recorded(settings, found.name, manifest)
    if then is None:
        wikis = ", ".join(visible(entry.wiki) for entry in manifest.wikis)
        yield f"{settings.path}: is of none of the wikis in {MANIFEST} ({wikis})"
        return
    now = entry_of(found, then.units, hashed=True)
    before = {file.name: file for file in then.files}
    if len(before) == len(now.files) == 1:  # one file may have got another name
        before = {now.files[0].name: then.files[0]}
    for file in now.files:
        old = before.pop(file.name, None)
        if old is None:
            yield f"{settings.path}: {file.name} is not named in {MANIFEST}"
        elif file.bytes != old.bytes:
            yield f"{settings.path}: {file.name} has {file.bytes} bytes instead of {old.bytes}"
        elif file.checksum != old.checksum:
            yield f"{settings.path}: {file.name} has {file.checksum} instead of {old.checksum}"
    yield from (f"{settings.path}: {name} is missing" for name in before)


def _recorded(settings: SourceSettings, name: str, manifest: Manifest) -> SourceEntry | None:
    """Return what the manifest says of a source: of several, the one of its wiki, or else the one of its name."""
    from pipeline.source import wiki_of

    if not manifest.names_wikis:
        return manifest.wikis[0].source
    columns = next((entry.columns for entry in manifest.wikis if entry.source.name == name), None)
    wiki = wiki_of(settings.model_copy(update={"columns": columns or {}}))
    of_wiki = [entry.source for entry in manifest.wikis if entry.wiki == wiki]
    of_name = [entry.source for entry in manifest.wikis if entry.source.name == name]
    return next(iter(of_wiki + of_name), None)


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


def _of_copies(folder: Place, manifest: Manifest) -> Iterator[str]:
    """Yield where the articles that are named as copies are not those that the ledger counts, wiki by wiki."""
    if DUPLICATES not in {entry.path for entry in manifest.entries}:
        yield f"is not named in {MANIFEST}, which says that copies were left out"
        return
    named: Counter[tuple[str, str]] = Counter()
    strange = []
    for number, line in enumerate(folder.lines(DUPLICATES), 1):
        if line.strip():  # there is an empty one where there is no copy
            try:
                copy = json.loads(line)
                named[str(copy.get("wiki", "")), str(copy["reason"])] += 1
            except (ValueError, KeyError, TypeError, AttributeError):
                strange.append(number)
    if strange:
        yield f"{len(strange)} lines do not name a copy and its reason, first line {strange[0]}"
    wikis = {entry.wiki: entry.counts for entry in manifest.wikis} if manifest.names_wikis else {"": manifest.counts}
    counted = Counter(
        {(wiki, reason): counts.left_out.get(reason, 0) for wiki, counts in wikis.items() for reason in COPIES}
    )
    for wiki, reason in sorted({*named, *counted}):
        lines, articles = named[wiki, reason], counted[wiki, reason]
        if lines != articles:
            of_wiki = f" of {visible(wiki)}" if wiki else ""
            yield f"names {lines} articles{of_wiki} as {visible(reason)}, but the ledger counts {articles}"
