"""Answer `curves`: what a model knew, recited and wrote at each checkpoint of its training."""

import argparse
import sys
from pathlib import Path

from probes.commands.flags import Commands, add_machine, command, computed, machine
from probes.settings import MASK, CurvesSettings, load_settings
from wikilm.params import from_flags
from wikilm.terminal import visible


def add(commands: Commands) -> None:
    """Add the command with its flags."""
    purpose = "what a model knew, recited and wrote at each checkpoint that its training kept"
    example = "curves --model models/causal --model models/masked --shards data/shards"
    parser = command(commands, "curves", purpose, example, "curves")
    parser.add_argument(
        "--model",
        type=Path,
        required=True,
        action="append",
        metavar="DIR",
        help="a folder that training wrote, with best/ and steps/ in it; give the flag again for another",
    )
    parser.add_argument("--shards", type=Path, required=True, metavar="DIR", help="the shards it was trained on")
    parser.add_argument("--rows", type=int, metavar="N", help="rows of each split to try, drawn by the seed")
    parser.add_argument("--prefix", type=int, metavar="N", help="tokens of each row to give to a causal model")
    parser.add_argument(
        "--continue", "--continuation", type=int, metavar="N", dest="continuation", help="tokens to add and compare"
    )
    parser.add_argument("--cloze", metavar="TEXT", help=f"a text with {MASK} that each checkpoint fills")
    parser.add_argument("--prompt", metavar="TEXT", help="a text that each causal checkpoint continues")
    add_machine(parser)
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the JSON to this file too")
    parser.add_argument("--curves", type=Path, metavar="DIR", help="write the figures by step as CSV, a file a model")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Answer the question for checked flags."""
    flags = from_flags(args, "rows", "prefix", "continuation", "cloze", "prompt")
    settings = load_settings(args.params, "curves", CurvesSettings, flags)
    from probes.curves import curves, layout
    from probes.curves.checkpoints import has_kept
    from probes.output import emit
    from probes.records import made_from
    from wikilm.files import write_atomically

    result = curves.ask_checkpoints(args.model, args.shards, settings, machine(args))
    for model in args.model:
        if not has_kept(model):
            note = "no weights of steps on the way: set keep_every_steps in its section of pretrain, and train again"
            print(f"{visible(str(model))}: {note}", file=sys.stderr)
    if args.curves is not None:
        for name, curve in curves.by_short_name(result.models):
            write_atomically(args.curves / f"{name}.csv", layout.as_csv(curve))
    made = made_from(
        [str(model) for model in args.model], args.shards, settings.model_dump(mode="json") | computed(args)
    )
    emit(result, layout.describe(result), as_json=args.json, file=args.output, made=made)
