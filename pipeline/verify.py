"""Check a folder of shards against its manifest: a line for each file that differs, and exit status 1 if any does.

Examples:
  python -m pipeline.verify data/shards
  python -m pipeline.verify data/shards --source my-wiki-pages-articles-multistream.xml.bz2

Every byte is read and hashed again, the manifest's own too, also in an object store (s3://bucket/folder). Files that
the manifest does not name are listed, and are no failure. With --source, the source is compared, too, with what the
manifest says of it.
"""

import argparse
import json
import sys
from collections.abc import Sequence

from pydantic import ValidationError

from pipeline.settings import SourceSettings
from wikilm.cli import Parser, program, run
from wikilm.errors import RunError, UsageError
from wikilm.params import from_flags
from wikilm.terminal import visible

PROGRAM = "python -m pipeline.verify"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command `python -m pipeline.verify`."""
    parser = Parser(prog=program(PROGRAM), description=__doc__)
    parser.add_argument("folder", metavar="DIR", help="what `python -m pipeline --output DIR` wrote")
    parser.add_argument(
        "--source",
        action="append",
        metavar="PATH",
        help="what the shards were made of: compare it with the manifest; give it again for each further wiki",
    )
    parser.add_argument("--contact", metavar="ADDRESS", help="for the User-Agent, where the source is on http(s)")
    parser.add_argument("--mirror", metavar="URL", help="where wikimedia:WIKI/DATE sources are looked up")
    args = parser.parse_args(argv)
    from pipeline.inspection.faults import faults, manifest_of, source_faults
    from pipeline.storage import parse_place
    from wikilm.shards.format import MANIFEST, SPLITS

    folder = parse_place(args.folder, "DIR")
    manifest = manifest_of(folder)
    sizes = folder.sizes()
    for path in sorted(set(sizes) - {entry.path for entry in manifest.entries} - {MANIFEST}):
        print(visible(f"{folder}/{path}: is not named in {MANIFEST}, so no reader opens it"), file=sys.stderr)
    wrong = list(faults(folder, manifest, sizes))
    other = [line for source in args.source or () for line in source_faults(_settings(args, source), manifest)]
    for line in [*wrong, *other]:
        print(visible(line), file=sys.stderr)
    if wrong:
        raise RunError(
            f"{folder}: problems found: {len(wrong)}; make the shards again with python -m pipeline. Where DVC brought "
            f"them, its cache has the same fault: remove that file there and the folder here, then dvc pull"
        )
    if other:
        named = " and ".join(args.source)
        raise RunError(f"{folder}: the shards are whole, but were made of another source than {named}")
    files = manifest.entries
    result = {"folder": args.folder, "files": len(files), "bytes": sum(entry.bytes for entry in files)}
    print(json.dumps(result | {f"{split}_rows": manifest.row_count(split) for split in SPLITS}, ensure_ascii=False))


def _settings(args: argparse.Namespace, source: str) -> SourceSettings:
    given = {"path": source, **from_flags(args, "contact", "mirror")}
    try:
        return SourceSettings(unit_bytes=1, **given).from_flag("--source")
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            f"--{str(first['loc'][0]).replace('path', 'source')}: {first['msg']}, got {first['input']!r}"
        ) from None


if __name__ == "__main__":
    sys.exit(run(main, PROGRAM))
