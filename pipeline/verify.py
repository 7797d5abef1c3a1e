"""A folder of shards in, one line per file that is not as its manifest says out; exit status 1 if there is any.

Examples:
  python -m pipeline.verify data/shards
  python -m pipeline.verify data/shards --source my-wiki-pages-articles-multistream.xml.bz2

Every byte is read and hashed again, the manifest's own too, also in an object store (s3://bucket/folder). Files that
the manifest does not name are told, and are no failure. With --source, the source is compared, too, with what the
manifest says of it.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from pydantic import ValidationError

from pipeline.ledger import imbalances
from pipeline.place import FILES_AT_ONCE, Place, place_of
from pipeline.settings import SourceSettings
from pipeline.shard_format import MANIFEST, SPLITS, FileEntry, Manifest, open_split, parse_manifest, read_manifest
from wikilm.cli import Parser, program, run
from wikilm.errors import RunError, UsageError
from wikilm.params import from_flags

PROGRAM = "python -m pipeline.verify"


def faults(folder: Place, manifest: Manifest, sizes: Mapping[str, int]) -> Iterator[str]:
    """What is wrong with a set of shards, one line each: files, sums, and then, in a folder, what the shards hold.

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
    """What of a source is not as the manifest says, one line each."""
    from pipeline.source import entry_of  # here, since shards alone are checked where only training is installed
    from pipeline.source_files import find_files

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


def main(argv: Sequence[str] | None = None) -> None:
    """The command `python -m pipeline.verify`."""
    parser = Parser(prog=program(PROGRAM), description=__doc__)
    parser.add_argument("folder", metavar="DIR", help="what `python -m pipeline --output DIR` wrote")
    parser.add_argument("--source", metavar="PATH", help="what the shards were made of: compare it with the manifest")
    parser.add_argument("--contact", metavar="ADDRESS", help="for the User-Agent, where the source is on http(s)")
    parser.add_argument("--mirror", metavar="URL", help="where wikimedia:WIKI/DATE sources are looked up")
    args = parser.parse_args(argv)
    named = args.folder
    folder = place_of(named, "DIR")
    manifest = read_manifest(folder.path) if folder.is_local else _read_manifest(folder)
    sizes = folder.sizes()
    for path in sorted(set(sizes) - {entry.path for entry in manifest.entries} - {MANIFEST}):
        print(f"{folder}/{path}: is not named in {MANIFEST}, so no reader opens it", file=sys.stderr)
    wrong = list(faults(folder, manifest, sizes))
    other = [] if args.source is None else list(source_faults(_settings(args), manifest))
    for line in [*wrong, *other]:
        print(line, file=sys.stderr)
    if wrong:
        raise RunError(f"{folder}: problems found: {len(wrong)}; make the shards again with python -m pipeline")
    if other:
        raise RunError(f"{folder}: the shards are whole, but were made of another source than {args.source}")
    files = manifest.entries
    result = {"folder": named, "files": len(files), "bytes": sum(entry.bytes for entry in files)}
    print(json.dumps(result | {f"{split}_rows": manifest.rows(split) for split in SPLITS}, ensure_ascii=False))


def _settings(args: argparse.Namespace) -> SourceSettings:
    given = {"path": args.source, **from_flags(args, "contact", "mirror")}
    try:
        return SourceSettings(unit_bytes=1, **given)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            f"--{str(first['loc'][0]).replace('path', 'source')}: {first['msg']}, got {first['input']!r}"
        ) from None


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
        yield from ((entry.path, told) for entry, told in zip(manifest.entries, found, strict=True) if told)


def _read_manifest(folder: Place) -> Manifest:
    path = f"{folder}/{MANIFEST}"
    try:
        return parse_manifest(folder.read(MANIFEST), path)
    except FileNotFoundError:
        raise RunError(f"{path}: no such object, so there are no finished shards; make them first") from None


if __name__ == "__main__":
    sys.exit(run(main, PROGRAM))
