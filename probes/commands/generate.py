"""Answer `generate`: how a prompt goes on."""

import argparse

from probes.commands.flags import Append, Commands, add_model, as_text, command, machine, written
from probes.settings import GenerationSettings, load_settings
from wikilm.params import from_flags


def add(commands: Commands) -> None:
    """Add the command with its flags."""
    purpose = "how a causal model continues a prompt, greedily"
    example = 'generate --model models/causal --prompt "Swimming at the beach is" --max-new-tokens 16 --steps'
    parser = command(commands, "generate", purpose, example, "generation")
    add_model(parser, "a causal model")
    parser.add_argument(
        "--prompt", "--prompts", type=as_text, action=Append, dest="prompts", help="text to continue; repeatable"
    )
    parser.add_argument("--max-new-tokens", type=int, metavar="N", help="tokens to add at most")
    parser.add_argument("--top-k", type=int, metavar="N", help="candidates to show at each step")
    parser.add_argument(
        "--steps", action="store_true", help="show each step's candidates, and check that generate() agrees"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Answer the question for checked flags."""
    flags = from_flags(args, "prompts", "max_new_tokens", "top_k")
    settings = load_settings(args.params, "generation", GenerationSettings, flags, written(args))
    from probes.generation import greedy as generation
    from probes.model import load
    from probes.output import emit
    from probes.records import made_from

    result = generation.run_generation(
        load(args.model, machine(args)), settings.prompts, settings.max_new_tokens, settings.top_k, steps=args.steps
    )
    made = made_from([args.model], None, settings.model_dump(mode="json") | {"steps": args.steps})
    emit(result, generation.describe(result), as_json=args.json, file=args.output, made=made)
