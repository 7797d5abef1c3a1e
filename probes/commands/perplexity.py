"""Answer `perplexity`: how well a model predicts texts."""

import argparse
from pathlib import Path

from probes.commands.flags import PROGRAM, Commands, add_model, command, computed, machine
from wikilm.cli import program
from wikilm.errors import UsageError


def add(commands: Commands) -> None:
    """Add the command with its flags."""
    purpose = "how well a causal model predicts texts: perplexity per token, word and byte, as lm-eval has them"
    parser = command(
        commands,
        "perplexity",
        purpose,
        "perplexity --model models/causal --shards data/shards --save validation.jsonl\n"
        f"  {program(PROGRAM)} perplexity --model models/causal --texts validation.jsonl",
        None,
    )
    add_model(parser, "a causal model")
    parser.add_argument("--texts", type=Path, metavar="FILE", help='lines of JSON such as {"text": "A river."}')
    parser.add_argument("--shards", type=Path, metavar="DIR", help="take the text of its validation rows instead")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the texts as lines of JSON, for other tools")
    parser.add_argument("--reliability", type=Path, metavar="FILE", help="write how right it is by how sure, as CSV")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Answer the question for checked flags."""
    if (args.texts is None) == (args.shards is None):
        raise UsageError("--texts or --shards: give one of them, and not both")
    from probes.likelihood import perplexity as perplexity
    from probes.likelihood.calibration import as_csv
    from probes.model import load
    from probes.output import emit
    from probes.records import made_from
    from wikilm.files import sha256_of, write_atomically

    loaded = load(args.model, machine(args))
    texts = perplexity.read_texts(args.texts) if args.texts else perplexity.validation_texts(args.shards, loaded)
    if args.save is not None:
        write_atomically(args.save, perplexity.as_lines(texts))
    result = perplexity.perplexity(loaded, texts)
    if args.reliability is not None:
        write_atomically(args.reliability, as_csv(result.calibration))
    made = made_from(
        [args.model], args.shards, {"texts": sha256_of(args.texts) if args.texts else None} | computed(args)
    )
    emit(result, perplexity.describe(result), as_json=args.json, file=args.output, made=made)
