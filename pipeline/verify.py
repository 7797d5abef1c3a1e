"""A folder of shards in, one line per file that is not as its manifest says out; exit status 1 if there is any.

python -m pipeline.verify data/shards

Every byte is read and hashed again. Files that the manifest does not name are told, and are no failure.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.command import Parser, RunError, run
from pipeline.ledger import imbalances
from pipeline.shard_format import MANIFEST, SPLITS, Manifest, open_split, problems, read_manifest

PROGRAM = "python -m pipeline.verify"


def faults(folder: Path, manifest: Manifest) -> Iterator[str]:
    """What is wrong with a set of shards, one line each: files, sums, and then what the shards hold."""
    found = [f"{folder / path}: {problem}" for path, problem in problems(folder, manifest, hashes=True)]
    found += [
        f"{folder / MANIFEST}: {line}" for line in imbalances(manifest.counts, manifest.chunk_tokens, manifest.shards)
    ]
    yield from found
    if found:
        return
    for split in SPLITS:
        try:
            open_split(folder, manifest, split)
        except RunError as error:
            yield str(error)


def strangers(folder: Path, manifest: Manifest) -> list[str]:
    """Files in the folder that the manifest does not name, as paths within it."""
    known = {entry.path for entry in [*manifest.shards, *manifest.files]} | {MANIFEST}
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    return sorted(path for path in files if path not in known)


def main(argv: Sequence[str] | None = None) -> None:
    """The command `python -m pipeline.verify`."""
    parser = Parser(prog=PROGRAM, description=__doc__)
    parser.add_argument("folder", metavar="DIR", type=Path, help="what `python -m pipeline --output DIR` wrote")
    folder = parser.parse_args(argv).folder
    manifest = read_manifest(folder)
    for path in strangers(folder, manifest):
        print(f"{folder / path}: is not named in {MANIFEST}, so no reader opens it", file=sys.stderr)
    wrong = list(faults(folder, manifest))
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        raise RunError(f"{folder}: {len(wrong)} problems; make the shards again with python -m pipeline")
    files = [*manifest.shards, *manifest.files]
    result = {"folder": str(folder), "files": len(files), "bytes": sum(entry.bytes for entry in files)}
    print(json.dumps(result | {f"{split}_rows": manifest.rows(split) for split in SPLITS}, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(run(main, PROGRAM))
