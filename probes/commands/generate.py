"""Answer `generate`: how a prompt goes on."""

import argparse

from probes.commands.flags import (
    PROGRAM,
    Append,
    Commands,
    add_model,
    command,
    computed,
    machine,
    source,
    written,
)
from probes.settings import GenerationSettings, load_settings
from wikilm.cli import program
from wikilm.params import from_flags


def add(commands: Commands) -> None:
    """Add the command with its flags."""
    purpose = "how a causal model continues a prompt: greedily, or drawn by a temperature"
    drawn = f'{program(PROGRAM)} generate --model models/causal --prompt "The river" --temperature 0.8 --seed 1'
    greedy = 'generate --model models/causal --prompt "Swimming at the beach is" --max-new-tokens 16 --steps'
    parser = command(commands, "generate", purpose, f"{greedy}\n  {drawn}", "generation")
    add_model(parser, "a causal model")
    parser.add_argument("--prompt", "--prompts", action=Append, dest="prompts", help="text to continue; repeatable")
    parser.add_argument("--max-new-tokens", type=int, metavar="N", help="tokens to add at most")
    told = "how boldly tokens are drawn: 0 takes the likeliest, 1 draws by the model's own probabilities"
    parser.add_argument("--temperature", type=float, metavar="X", help=told)
    parser.add_argument("--top-k", type=int, metavar="N", help="draw from the N likeliest tokens only")
    told = "draw from the fewest tokens that hold a probability of X together"
    parser.add_argument("--top-p", type=float, metavar="X", help=told)
    parser.add_argument("--seed", type=int, metavar="N", help="decides what is drawn; the same seed, the same text")
    parser.add_argument("--shown", type=int, metavar="N", help="candidates to show at each step")
    told = "show each step's candidates, and whether transformers' generate() goes the same way"
    parser.add_argument("--steps", action="store_true", help=told)
    told = "show what each layer alone would say after the prompt (the logit lens)"
    parser.add_argument("--layers", action="store_true", help=told)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Answer the question for checked flags."""
    names = ("prompts", "max_new_tokens", "temperature", "top_k", "top_p", "seed", "shown")
    settings = load_settings(args.params, "generation", GenerationSettings, from_flags(args, *names), written(args))
    from probes.generation.describe import describe
    from probes.generation.generate import run_generation
    from probes.model import load
    from probes.output import emit
    from probes.records import made_from

    flag = source(args, "prompts", "generation.prompts")
    loaded = load(args.model, machine(args))
    result = run_generation(loaded, settings, steps=args.steps, layers=args.layers, flag=flag)
    asked = {"steps": args.steps, "layers": args.layers}
    made = made_from([args.model], None, settings.model_dump(mode="json") | asked | computed(args))
    emit(result, describe(result), as_json=args.json, file=args.output, made=made)
