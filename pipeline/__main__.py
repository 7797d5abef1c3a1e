"""Turn a source of articles into a folder of Arrow shards of token rows, with a manifest and a ledger.

Examples:
  python -m pipeline                                    all as params.yaml says, into data/shards
  python -m pipeline --source enwiki-20160501-pages-articles-multistream.xml.bz2 --take 50,50 --chunking document
  python -m pipeline --source enwiki.xml.bz2 --share 0.1 --source ltgwiki.xml.bz2      several wikis as one corpus
  python -m pipeline --deduplicate near                 without articles that are copies of others, or nearly
  python -m pipeline --direct_running_mode multi_processing --direct_num_workers 8
  python -m pipeline --runner FlinkRunner --flink_master localhost:8081
  python -m pipeline --output s3://bucket/shards
  python -m pipeline --dry-run                          what would be made, without reading or writing it

The same source, params and tokenizer give the same bytes on every runner, with any number of workers. Give the same
command again to resume an interrupted run. Options that are not listed here go to Beam
(https://beam.apache.org/documentation/runners/capability-matrix/ lists its runners). The last line on stdout is one
JSON object with the counts of the run.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pipeline.flags import add_source, add_split, numbers, parse_with_beam, source_settings, split_settings
from pipeline.run.quiet import quiet
from pipeline.settings import ShardsSettings
from wikilm.cli import Parser, program, run
from wikilm.params import from_flags, section

PROGRAM = "python -m pipeline"
SHARDS = (
    "chunk_tokens", "chunking", "max_dead_fraction", "deduplicate", "canaries", "canary_times",
    "near_threshold", "near_ngram", "near_permutations", "near_bands",
)  # fmt: skip


def arguments() -> Parser:
    """Define the command line of `python -m pipeline`."""
    parser = Parser(prog=program(PROGRAM), description=__doc__)
    parser.add_argument(
        "--tokenizer", type=Path, metavar="DIR", default=Path("data/tokenizer"), help="folder of the tokenizer"
    )
    parser.add_argument(
        "--output", metavar="DIR", default="data/shards", help="folder for the shards, or an address such as s3://…"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be made, and make nothing")
    parser.add_params()
    add_source(parser)
    add_split(parser)
    parser.defaults_from("shards")
    group = parser.add_argument_group("shards")
    group.add_argument("--chunk-tokens", type=int, metavar="N", help="tokens per row")
    group.add_argument(
        "--chunking",
        help="pack: one stream of articles with end-of-text between; document: each article alone",
    )
    group.add_argument("--max-dead-fraction", type=float, metavar="F", help="share of articles that may be unreadable")
    group.add_argument(
        "--deduplicate",
        help="none; exact: leave out articles with the very text of another one; near: or with nearly the same one "
        "(docs/duplicates.md)",
    )
    group.add_argument(
        "--canaries",
        type=int,
        metavar="N",
        help="made-up sentences to plant each number of times, to tell how often a model must see one to recite it "
        "(docs/canaries.md); 0: none",
    )
    group.add_argument("--canary-times", type=numbers, metavar="N,N", help="how often these are planted")
    group.add_argument(
        "--near-threshold", type=float, metavar="F", help="near: share of common n-grams that makes two articles copies"
    )
    group.add_argument("--near-ngram", type=int, metavar="N", help="near: characters of an n-gram")
    group.add_argument("--near-permutations", type=int, metavar="N", help="near: MinHash values of an article")
    group.add_argument(
        "--near-bands",
        type=int,
        metavar="N",
        help="near: bands that these are cut into; more of them find more pairs",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command `python -m pipeline`."""
    started = time.monotonic()
    args, rest = parse_with_beam(arguments(), argv)
    source, split = source_settings(args), split_settings(args)
    shards = section(args.params, "shards", ShardsSettings, from_flags(args, *SHARDS))
    with quiet():  # and only here, since Beam takes seconds that --help need not wait for
        from pipeline.run.beam import beam_options
        from pipeline.run.dry_run import as_text, dry_run
        from pipeline.run.job import Job, make_shards
        from pipeline.run.summary import table
        from pipeline.storage import parse_place

    job, options = Job(source, split, shards, args.tokenizer, parse_place(args.output, "--output")), beam_options(rest)
    if args.dry_run:
        result = dry_run(job)
        print(as_text(result), file=sys.stderr)
        print(json.dumps({"output": args.output, **result}, ensure_ascii=False))
        return
    outcome = make_shards(job, options, say)
    seconds = time.monotonic() - started
    print(table(outcome, seconds, args.output), file=sys.stderr)
    result = {"output": args.output, **outcome.manifest.counts.model_dump(), "seconds": round(seconds, 3)}
    print(json.dumps(result, ensure_ascii=False))


def say(line: str) -> None:
    """Print a line for the user, beside the progress bar."""
    print(f"{program(PROGRAM)}: {line}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(run(main, PROGRAM))
