"""A source of articles and a tokenizer in, a folder of Arrow shards with manifest and ledger out.

Examples:
  python -m pipeline                                    all as params.yaml says, into data/shards
  python -m pipeline --source enwiki-20160501-pages-articles-multistream.xml.bz2 --take 50,50 --chunking document
  python -m pipeline --direct_running_mode multi_processing --direct_num_workers 8
  python -m pipeline --runner FlinkRunner --flink_master localhost:8081

The same source, params and tokenizer give the same bytes on every runner, with any number of workers. Options that are
not listed here go to Beam (https://beam.apache.org/documentation/runners/capability-matrix/ lists its runners). The
last line on stdout is one JSON object with the counts of the run.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pipeline.command import Parser, run
from pipeline.flags import FROM_PARAMS, add_params, add_source, add_split, source_settings, split_settings
from pipeline.params import from_flags, section
from pipeline.quiet import quiet
from pipeline.settings import ShardsSettings

PROGRAM = "python -m pipeline"


def arguments() -> Parser:
    """The command line of `python -m pipeline`."""
    parser = Parser(prog=PROGRAM, description=__doc__)
    parser.add_argument(
        "--tokenizer", type=Path, metavar="DIR", default=Path("data/tokenizer"), help="folder of the tokenizer"
    )
    parser.add_argument("--output", type=Path, metavar="DIR", default=Path("data/shards"), help="folder for the shards")
    add_params(parser)
    add_source(parser)
    add_split(parser)
    group = parser.add_argument_group("shards")
    group.add_argument("--chunk-tokens", type=int, metavar="N", help=f"tokens per row {FROM_PARAMS}")
    group.add_argument(
        "--chunking",
        help=f"pack: one stream of articles with end-of-text between; document: each article alone {FROM_PARAMS}",
    )
    group.add_argument(
        "--max-dead-fraction", type=float, metavar="F", help=f"share of articles that may be unreadable {FROM_PARAMS}"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """The command `python -m pipeline`."""
    started = time.monotonic()
    args, rest = arguments().parse_known_args(argv)
    source, split = source_settings(args), split_settings(args)
    shards = section(
        args.params,
        "shards",
        ShardsSettings,
        from_flags(args, "chunk_tokens", "chunking", "max_dead_fraction"),
    )
    with quiet():  # and only here, since Beam takes seconds that --help need not wait for
        from pipeline.run import make_shards
        from pipeline.runner import beam_options

    counts = make_shards(source, split, shards, args.tokenizer, args.output, beam_options(rest), say)
    result = {"output": str(args.output), **counts.model_dump(), "seconds": round(time.monotonic() - started, 3)}
    print(json.dumps(result, ensure_ascii=False))


def say(line: str) -> None:
    """A line for the user, beside the progress bar."""
    print(f"{PROGRAM}: {line}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(run(main, PROGRAM))
