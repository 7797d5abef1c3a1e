"""Answer `anatomy`: what a model is made of."""

import argparse

from probes.commands.flags import Commands, add_model, command, computed, machine


def add(commands: Commands) -> None:
    """Add the command with its flags."""
    purpose = "what a model is made of, and the shapes at every step for a text"
    parser = command(commands, "anatomy", purpose, 'anatomy --model models/causal --text "A river"', None)
    add_model(parser, "the model")
    text = "Life is like a box of chocolates."
    parser.add_argument("--text", default=text, help=f"the text to follow through the model ({text})")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Answer the question for checked flags."""
    from probes.model import anatomy, load
    from probes.output import emit
    from probes.records import made_from

    result = anatomy.anatomy(load(args.model, machine(args)), args.text)
    made = made_from([args.model], None, {"text": args.text} | computed(args))
    emit(result, anatomy.describe(result), as_json=args.json, file=args.output, made=made)
