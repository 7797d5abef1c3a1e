"""Answer `trace`: where the words of a text stand in the shards."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probes.commands.flags import PROGRAM, Commands, add_model, command, computed, machine
from probes.settings import TraceSettings, load_settings
from wikilm.cli import program
from wikilm.errors import UsageError
from wikilm.params import from_flags

if TYPE_CHECKING:
    from probes.trace import TokenizedText, Vocabulary


def add(commands: Commands) -> None:
    """Add the command with its flags."""
    purpose = "where the words of a text stand in the training text: the longest runs, each with its row and article"
    parser = command(
        commands,
        "trace",
        purpose,
        'trace --model models/causal --generate "The lighthouse"\n'
        f'  {program(PROGRAM)} trace --model models/causal --text "Water boils at one hundred degrees."',
        "trace",
    )
    add_model(parser, "whose tokenizer made the shards, or that tokenizer; weights are read for --generate alone")
    parser.add_argument("--text", action="append", dest="texts", metavar="TEXT", help="a text to trace")
    parser.add_argument(
        "--generate",
        action="append",
        metavar="PROMPT",
        help="continue a prompt and trace it",
    )
    parser.add_argument("--generation", type=Path, metavar="FILE", help="trace what generate wrote: generation.json")
    parser.add_argument("--recitation", type=Path, metavar="FILE", help="trace what recite wrote: recitation.json")
    folders = (("index", "index", "what the command index made"), ("shards", "shards", "what the index is of"))
    for flag, folder, what in folders:
        default = Path("data") / folder
        parser.add_argument(f"--{flag}", type=Path, default=default, metavar="DIR", help=f"{what} (default: {default})")
    parser.add_argument("--min-tokens", type=int, metavar="N", help="tokens of the shortest run to tell")
    parser.add_argument("--places", type=int, metavar="N", help="places to tell of each run in each split")
    parser.add_argument("--ngrams", type=int, metavar="N", help="tokens of the longest n-gram to count as new")
    parser.add_argument("--max-new-tokens", type=int, metavar="N", help="tokens to add to a prompt at most")
    parser.add_argument("--validation-rows", type=int, metavar="N", help="validation rows to compare the novelty with")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Answer the question for checked flags."""
    if not (args.texts or args.generate or args.generation or args.recitation):
        raise UsageError("nothing to trace: give --text, --generate, --generation or --recitation")
    flags = from_flags(args, "min_tokens", "places", "ngrams", "max_new_tokens", "validation_rows")
    settings = load_settings(args.params, "trace", TraceSettings, flags)
    from probes.measuring import same_vocabulary
    from probes.model import guarded
    from probes.output import emit
    from probes.records import check_results, made_from
    from probes.trace import TracedText, describe, novelty_of_unseen, open_index, result_of, trace, vocabulary_of

    answers = [path for path in (args.generation, args.recitation) if path]
    index = open_index(args.index, args.shards)
    vocabulary = vocabulary_of(args.model)
    same_vocabulary(index.shards, vocabulary)
    with guarded(args.model):
        tokenized = list(_texts(args, settings, vocabulary))
    check_results({path: [Path(args.model)] for path in answers}, args.shards)
    texts = [TracedText(kind, trace(index, text, settings)) for kind, text in tokenized]
    result = result_of(args.model, settings.min_tokens, texts, novelty_of_unseen(index, settings))
    asked = [args.model] if args.generate or answers else []  # of a given text the model says nothing
    made = made_from(asked, args.shards, settings.model_dump(mode="json") | (computed(args) if args.generate else {}))
    emit(result, describe(result), as_json=args.json, file=args.output, made=made)


def _texts(
    args: argparse.Namespace, settings: TraceSettings, vocabulary: "Vocabulary"
) -> "Iterator[tuple[str, TokenizedText]]":
    """Yield the texts that flags name, each with its kind."""
    from probes.trace import from_ids, from_text, generated_texts, recited_texts

    tokenizer: Any = vocabulary.tokenizer
    for text in args.texts or ():
        yield "text", from_text(tokenizer, text)
    if args.generate:
        from probes.generation import continue_prompts
        from probes.model import load

        loaded = load(args.model, machine(args))
        for made in continue_prompts(loaded, args.generate, settings.max_new_tokens, flag="--generate"):
            yield "generation", from_ids(tokenizer, made.prompt, made.ids)
    if args.generation:
        yield from (("generation", text) for text in generated_texts(args.generation, tokenizer))
    if args.recitation:
        for split, text in recited_texts(args.recitation, tokenizer):
            yield f"recitation_{split}", text
