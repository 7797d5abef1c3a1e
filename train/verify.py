"""Check trained models against the sums that were written with them: a line for each file that differs.

Examples:
  python -m train.verify models/causal models/masked
  sha256sum --check SHA256SUMS                        the same within such a folder, where nothing is installed

Every byte is read and hashed again, also where DVC or a copy program took a file for unchanged. Files that no sum is of
are listed, and are no failure.

Exit status: 0 all is as it was written, 1 something differs, 2 wrong usage.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from wikilm.cli import Parser, program, run
from wikilm.errors import RunError
from wikilm.terminal import visible

PROGRAM = "python -m train.verify"


def arguments() -> Parser:
    """Return the command line."""
    parser = Parser(prog=program(PROGRAM), description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, metavar="DIR", help="what python -m train --output DIR wrote")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command `python -m train.verify`.

    Raises:
        RunError: a file differs or is missing, or a folder has no sums.
    """
    args = arguments().parse_args(argv)
    from wikilm.sums import SUMS, faults, read_sums, unnamed

    sums = {folder: read_sums(folder) for folder in args.models}
    wrong = []
    for folder, named in sums.items():
        for name in unnamed(folder, named):
            print(visible(f"{folder / name}: is not named in {SUMS}"), file=sys.stderr)
        for line in faults(folder, named):
            wrong.append(line)
            print(visible(line), file=sys.stderr)
    if wrong:
        folders = " ".join(str(folder) for folder in args.models)
        raise RunError(
            f"{folders}: problems found: {len(wrong)}; fetch it again, or train it again. Where DVC brought it, its "
            f"cache has the same fault: remove that file there and the folder here, then dvc pull (docs/remotes.md)"
        )
    bytes_read = sum((folder / name).stat().st_size for folder, named in sums.items() for name in named)
    told = {"models": [str(folder) for folder in sums], "files": sum(map(len, sums.values())), "bytes": bytes_read}
    print(json.dumps(told, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(run(main, PROGRAM))
