"""Answer `explore`: a local page to ask models on, and to compare them."""

import argparse
import sys
from pathlib import Path

from probes.commands.flags import PROGRAM, Commands, add_machine, command, machine
from probes.settings import FillMaskSettings, GenerationSettings, TraceSettings, load_settings
from wikilm.cli import program
from wikilm.errors import UsageError
from wikilm.terminal import visible


def add(commands: Commands) -> None:
    """Add the command with its flags."""
    purpose = "a local page to ask models on: blanks, the next word, where it stands, any row and its article"
    parser = command(
        commands,
        "explore",
        purpose,
        "explore --model models/causal --model models/masked --shards data/shards --index data/index",
        None,
        prints_json=False,
    )
    parser.add_params()
    kind = "a masked or causal model: a folder with config.json and model.safetensors, or a hub name"
    parser.add_argument("--model", required=True, action="append", help=f"{kind}; give the flag again to compare")
    parser.add_argument("--shards", type=Path, metavar="DIR", help="the shards that they were trained on, to look up")
    parser.add_argument("--index", type=Path, metavar="DIR", help="the index of them, to find where words stand")
    parser.add_argument(
        "--port", type=int, default=8765, metavar="N", help="port of 127.0.0.1, which no other machine reaches; 0: any"
    )
    add_machine(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Answer the question for checked flags."""
    fill_mask = load_settings(args.params, "fill_mask", FillMaskSettings, {})
    generation = load_settings(args.params, "generation", GenerationSettings, {})
    trace = load_settings(args.params, "trace", TraceSettings, {})
    if args.index is not None and args.shards is None:
        raise UsageError("--index: needs --shards, the shards that it is of")
    from probes.explorer import Library, listen, load_all, open_shelf, serve

    with listen(args.port) as listening:  # before models are loaded, which takes seconds
        shelf = open_shelf(args.shards, args.index) if args.shards else None
        library = Library(load_all(args.model, machine(args)), shelf, fill_mask, generation, trace)
        if shelf is not None and shelf.index is None:
            print(f"no index, so no words are traced: {_how(args)}", file=sys.stderr)
        serve(library, listening, lambda address: _tell(args.model, address))


def _how(args: argparse.Namespace) -> str:
    index = args.index or "data/index"
    return visible(f"make one with {program(PROGRAM)} index --shards {args.shards} --output {index}, and name it")


def _tell(models: list[str], address: str) -> None:
    asked = ", ".join(map(visible, models))
    print(f"{asked}: open {address} in a browser; Ctrl-C ends it", file=sys.stderr, flush=True)
