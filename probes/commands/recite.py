"""Answer `recite`: what a model has learned by heart."""

import argparse
from pathlib import Path

from probes.commands.flags import Commands, add_model, command, computed, lengths, machine
from probes.settings import RecitationSettings, load_settings
from wikilm.params import from_flags


def add(commands: Commands) -> None:
    """Add the command with its flags."""
    purpose = "how much of its training text, and of text it never saw, a causal model recites"
    example = "recite --model models/causal --shards data/shards --prefix 16 --continue 16"
    parser = command(commands, "recite", purpose, example, "recitation")
    add_model(parser, "a causal model")
    parser.add_argument("--shards", type=Path, required=True, metavar="DIR", help="the shards it was trained on")
    parser.add_argument("--prefix", type=int, metavar="N", help="tokens of each row to give")
    parser.add_argument(
        "--continue", "--continuation", type=int, metavar="N", dest="continuation", help="tokens to add and compare"
    )
    parser.add_argument("--prefix-lengths", type=lengths, metavar="N,N", help="prefix lengths of the curve")
    parser.add_argument(
        "--continuation-lengths", type=lengths, metavar="N,N", help="tokens to add, for the other curve"
    )
    parser.add_argument("--rows", type=int, metavar="N", help="rows of each split to try, drawn by the seed")
    parser.add_argument("--curve-rows", type=int, metavar="N", help="of them, rows to try for each length")
    parser.add_argument("--examples", type=int, metavar="N", help="rows of each split to show side by side")
    parser.add_argument("--batch-rows", type=int, metavar="N", help="rows decoded at a time")
    parser.add_argument("--seed", type=int, metavar="N", help="decides the rows, places in them, and the bootstrap")
    parser.add_argument("--curve", type=Path, metavar="FILE", help="write recitation by prefix length as CSV")
    parser.add_argument("--continuation-curve", type=Path, metavar="FILE", help="and by continuation length")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Answer the question for checked flags."""
    names = (
        "prefix",
        "continuation",
        "prefix_lengths",
        "continuation_lengths",
        "rows",
        "curve_rows",
        "examples",
        "batch_rows",
        "seed",
    )
    flags = from_flags(args, *names)
    settings = load_settings(args.params, "recitation", RecitationSettings, flags)
    from probes.measuring import sample_rows
    from probes.model import load
    from probes.output import emit
    from probes.recitation import layout
    from probes.recitation import recite as recitation
    from probes.records import made_from
    from wikilm.files import write_atomically

    loaded = load(args.model, machine(args))
    result = recitation.recite(loaded, sample_rows(args.shards, loaded, settings.rows, settings.seed), settings)
    if args.curve is not None:
        write_atomically(args.curve, layout.curve_csv("prefix", result.by_prefix, result.anywhere))
    if args.continuation_curve is not None:
        write_atomically(args.continuation_curve, layout.curve_csv("continuation", result.by_continuation))
    made = made_from([args.model], args.shards, settings.model_dump(mode="json") | computed(args))
    emit(result, layout.describe(result), as_json=args.json, file=args.output, made=made)
