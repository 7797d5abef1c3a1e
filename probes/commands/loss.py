"""Answer `loss`: how surprising each token of a text is."""

import argparse

from probes.commands.flags import Commands, add_model, command, computed, machine


def add(commands: Commands) -> None:
    """Add the command with its flags."""
    purpose = "how surprising each token of a text is to a model: its loss, probability and rank"
    parser = command(commands, "loss", purpose, 'loss --model models/causal --text "The river flows to the sea."', None)
    add_model(parser, "a causal or masked model")
    parser.add_argument("--text", required=True, help="the text")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Answer the question for checked flags."""
    from probes.likelihood.token_losses import describe, token_losses
    from probes.model import load
    from probes.output import emit
    from probes.records import made_from

    result = token_losses(load(args.model, machine(args)), args.text)
    made = made_from([args.model], None, {"text": args.text} | computed(args))
    emit(result, describe(result), as_json=args.json, file=args.output, made=made)
