"""Answer `fill-mask`: what belongs in a blank."""

import argparse
from pathlib import Path

from probes.commands.flags import PROGRAM, Append, Commands, add_model, command, computed, machine, written
from probes.settings import MASK, FillMaskSettings, load_settings
from wikilm.cli import program
from wikilm.params import from_flags


def add(commands: Commands) -> None:
    """Add the command with its flags."""
    purpose = f"what belongs in a blank, written {MASK}: ids, shapes, and the likeliest tokens"
    parser = command(
        commands,
        "fill-mask",
        purpose,
        f'fill-mask --model models/masked --text "Life is like a {MASK} of chocolates." --top-k 5\n'
        f"  {program(PROGRAM)} fill-mask --model models/masked --model models/causal --shards data/shards",
        "fill_mask",
    )
    add_model(parser, "a masked or causal model; give the flag again for another", action="append")
    parser.add_argument("--text", "--texts", action=Append, dest="texts", help=f"a text with {MASK} in it; repeatable")
    parser.add_argument("--top-k", type=int, metavar="N", help="candidates to show for each blank")
    parser.add_argument("--candidates", type=int, metavar="N", help="words that a causal model scores by the text")
    parser.add_argument("--word", "--words", action=Append, dest="words", help="a word to score too; repeatable")
    parser.add_argument(
        "--shards", type=Path, metavar="DIR", help="also hide random tokens of its rows and count the right guesses"
    )
    parser.add_argument(
        "--file",
        "--files",
        action=Append,
        dest="files",
        metavar="FILE",
        help=f'statements with their answers, a line each, such as {{"text": "Snow is {MASK}.", "answer": "white"}}; '
        "known and unknown are this project's own about its corpus, asked with --shards unless files are named",
    )
    parser.add_argument("--items", type=Path, metavar="FILE", help="write what came of each statement to this file")
    parser.add_argument("--masked-fraction", type=float, metavar="X", help="share of a row's tokens that is hidden")
    parser.add_argument("--rows", type=int, metavar="N", help="rows of each split to try, drawn by the seed")
    parser.add_argument("--seed", type=int, metavar="N", help="decides rows and places")
    told = "show what each layer of a masked model alone would say (the logit lens)"
    parser.add_argument("--layers", action="store_true", help=told)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Answer the question for checked flags."""
    flags = from_flags(args, "texts", "top_k", "candidates", "words", "files", "masked_fraction", "rows", "seed")
    settings = load_settings(args.params, "fill_mask", FillMaskSettings, flags, written(args))
    from probes.cloze import fill_mask as fill_mask_run
    from probes.cloze.statements import statements_file
    from probes.output import emit, json_text, with_origin
    from probes.records import made_from
    from wikilm.files import sha256_of, write_atomically

    files = settings.files if args.shards or args.files else ()
    hashes = {name: sha256_of(statements_file(name)) for name in files}
    result, of_files = fill_mask_run.run_fill_mask(
        args.model, args.shards, settings, machine(args), files, layers=args.layers
    )
    made = made_from(
        args.model,
        args.shards,
        settings.model_dump(mode="json") | {"files": hashes, "layers": args.layers} | computed(args),
    )
    if args.items is not None:
        write_atomically(args.items, json_text(with_origin({"files": of_files}, made)))
    emit(result, fill_mask_run.describe(result), as_json=args.json, file=args.output, made=made)
