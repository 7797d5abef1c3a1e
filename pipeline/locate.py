"""Find the articles that the tokens of a row come from.

Examples:
  python -m pipeline.locate --shards data/shards --split train --row 123

Prints a table, and as its last line one JSON object. Ranges are half-open: `row_tokens` [0, 40] are the first 40 tokens
of the row, `article_tokens` say which tokens of the article these are. Where rows are packed, the end-of-text token
after an article counts as its last. Where the shards are of several wikis, each article has its `wiki`.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from wikilm.cli import Parser, program, run
from wikilm.errors import UsageError

PROGRAM = "python -m pipeline.locate"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command `python -m pipeline.locate`."""
    parser = Parser(prog=program(PROGRAM), description=__doc__)
    parser.add_argument("--shards", metavar="DIR", default="data/shards", help="what `python -m pipeline` wrote")
    parser.add_argument("--split", choices=["train", "validation"], default="train", help="split of the row")
    parser.add_argument("--row", type=int, metavar="N", required=True, help="number of the row in its split, from 0")
    args = parser.parse_args(argv)
    from pipeline.inspection.origins import as_json, lines
    from pipeline.storage import parse_place
    from wikilm.shards import Origins, read_manifest

    place = parse_place(args.shards, "--shards")
    if not place.is_local:
        raise UsageError(f"--shards: {place}: rows are located in a folder of this machine; copy the shards to one")
    folder = Path(args.shards) if "://" not in args.shards else place.path  # as the user wrote it, in messages
    manifest = read_manifest(folder)
    shard, inside, origins = Origins(folder, manifest).locate(args.split, args.row)
    for line in lines(origins):
        print(line)
    # In ASCII, so that a title can do nothing to a terminal and still is here exactly as it is.
    result = {"split": args.split, "row": args.row, "shard": shard.path, "row_in_shard": inside}
    print(json.dumps(result | {"articles": [as_json(origin) for origin in origins]}))


if __name__ == "__main__":
    sys.exit(run(main, PROGRAM))
