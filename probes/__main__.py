"""Run the command `python -m probes`: answer one question about a model, for people or as JSON."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

# The hub's telemetry and the tokenizers' fork warning have no place in a probe.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from probes.settings import (
    MASK,
    FillMaskSettings,
    GenerationSettings,
    RecitationSettings,
    ReportSettings,
    load_settings,
)
from wikilm.cli import Parser, program, run
from wikilm.errors import UsageError
from wikilm.params import from_flags

PROGRAM = "python -m probes"
# torch takes seconds to import: each command imports what it needs once its flags are known to be right, so that --help
# and a mistake answer at once.


def _anatomy(args: argparse.Namespace) -> None:
    from probes.model import anatomy, load
    from probes.output import emit

    result = anatomy.anatomy(load(args.model), args.text)
    emit(result, anatomy.describe(result), as_json=args.json, file=args.output)


def _fill_mask(args: argparse.Namespace) -> None:
    flags = from_flags(args, "texts", "top_k", "candidates", "masked_fraction", "rows", "seed")
    settings = load_settings(args.params, "fill_mask", FillMaskSettings, flags)
    from probes.cloze import fill_mask as fill_mask_run
    from probes.output import emit

    result = fill_mask_run.run_fill_mask(args.model, args.shards, settings)
    emit(result, fill_mask_run.describe(result), as_json=args.json, file=args.output)


def _generate(args: argparse.Namespace) -> None:
    flags = from_flags(args, "prompts", "max_new_tokens", "top_k")
    settings = load_settings(args.params, "generation", GenerationSettings, flags)
    from probes.generation import greedy as generation
    from probes.model import load
    from probes.output import emit

    result = generation.run_generation(
        load(args.model), settings.prompts, settings.max_new_tokens, settings.top_k, steps=args.steps
    )
    emit(result, generation.describe(result), as_json=args.json, file=args.output)


def _recite(args: argparse.Namespace) -> None:
    flags = from_flags(args, "prefix", "continuation", "prefix_lengths", "rows", "examples", "batch_rows", "seed")
    settings = load_settings(args.params, "recitation", RecitationSettings, flags)
    from probes.measuring import sample_rows
    from probes.model import load
    from probes.output import emit
    from probes.recitation import recite as recitation
    from wikilm.files import write_atomically

    loaded = load(args.model)
    result = recitation.recite(loaded, sample_rows(args.shards, loaded, settings.rows, settings.seed), settings)
    if args.curve is not None:
        write_atomically(args.curve, recitation.curve_csv(result))
    emit(result, recitation.describe(result), as_json=args.json, file=args.output)


def _perplexity(args: argparse.Namespace) -> None:
    if (args.texts is None) == (args.shards is None):
        raise UsageError("--texts or --shards: give one of them, and not both")
    from probes.likelihood import perplexity as perplexity
    from probes.model import load
    from probes.output import emit
    from wikilm.files import write_atomically

    loaded = load(args.model)
    texts = perplexity.read_texts(args.texts) if args.texts else perplexity.validation_texts(args.shards, loaded)
    if args.save is not None:
        write_atomically(args.save, perplexity.as_lines(texts))
    result = perplexity.perplexity(loaded, texts)
    emit(result, perplexity.describe(result), as_json=args.json, file=args.output)


def _report(args: argparse.Namespace) -> None:
    settings = load_settings(args.params, "report", ReportSettings, from_flags(args, "title", "sample"))
    from probes.output import json_text
    from probes.report import page as report

    metrics, headline = report.write_report(
        report.Inputs(args.shards, args.tokenizer, args.causal, args.masked, args.results), args.output, settings
    )
    page = args.output / report.PAGE
    sys.stdout.write(json_text(metrics) if args.json else f"{headline}\n\nThe page: {page}\n")


def _lengths(text: str) -> tuple[int, ...]:
    """`1,2,4` as numbers."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of whole numbers such as 1,2,4") from None


def _text(text: str) -> str:
    """Return a text from the command line, refused where its bytes are no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError("is not valid UTF-8") from None
    return text


def _command(
    commands: "argparse._SubParsersAction[Parser]", name: str, purpose: str, example: str, section: str | None
) -> Parser:
    """Return a sub-command whose help starts with its purpose and ends with an example."""
    parser = commands.add_parser(
        name,
        help=purpose,
        description=purpose[0].upper() + purpose[1:] + ".",
        epilog=f"example:\n  {program(PROGRAM)} {example}",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of text for people")
    if section is not None:
        parser.add_params()
        parser.defaults_from(section)
    return parser


def _model(parser: Parser, kind: str, **options: object) -> None:
    help_text = f"{kind}: a folder with config.json and model.safetensors, or a hub name"
    parser.add_argument("--model", required=True, help=help_text, **options)  # type: ignore[arg-type]
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the JSON to this file too")


def _parser() -> Parser:
    parser = Parser(
        prog=program(PROGRAM),
        description="Ask a language model what it is made of, what it predicts, and what it has learned by heart.",
        epilog=f"Each question has its own help and an example: {program(PROGRAM)} fill-mask --help",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="QUESTION", parser_class=Parser)
    _add_anatomy(commands)
    _add_fill_mask(commands)
    _add_generate(commands)
    _add_recite(commands)
    _add_perplexity(commands)
    _add_report(commands)
    return parser


def _add_anatomy(commands: "argparse._SubParsersAction[Parser]") -> None:
    purpose = "what a model is made of, and the shapes at every step for a text"
    command = _command(commands, "anatomy", purpose, 'anatomy --model models/causal --text "A river"', None)
    _model(command, "the model")
    text = "Life is like a box of chocolates."
    command.add_argument("--text", type=_text, default=text, help=f"the text to follow through the model ({text})")
    command.set_defaults(run=_anatomy)


def _add_fill_mask(commands: "argparse._SubParsersAction[Parser]") -> None:
    purpose = f"what belongs in a blank, written {MASK}: ids, shapes, and the likeliest tokens"
    command = _command(
        commands,
        "fill-mask",
        purpose,
        f'fill-mask --model models/masked --text "Life is like a {MASK} of chocolates." --top-k 5\n'
        f"  {program(PROGRAM)} fill-mask --model models/masked --model models/causal --shards data/shards",
        "fill_mask",
    )
    _model(command, "a masked or causal model; give the flag again for another", action="append")
    command.add_argument(
        "--text", "--texts", type=_text, action="append", dest="texts", help=f"a text with {MASK} in it; repeatable"
    )
    command.add_argument("--top-k", type=int, metavar="N", help="candidates to show for each blank")
    command.add_argument("--candidates", type=int, metavar="N", help="next tokens that a causal model rescores")
    command.add_argument(
        "--shards", type=Path, metavar="DIR", help="also hide random tokens of its rows and count the right guesses"
    )
    command.add_argument("--masked-fraction", type=float, metavar="X", help="share of a row's tokens that is hidden")
    command.add_argument("--rows", type=int, metavar="N", help="rows of each split to try, drawn by the seed")
    command.add_argument("--seed", type=int, metavar="N", help="decides rows and places")
    command.set_defaults(run=_fill_mask)


def _add_generate(commands: "argparse._SubParsersAction[Parser]") -> None:
    purpose = "how a causal model continues a prompt, greedily"
    example = 'generate --model models/causal --prompt "Swimming at the beach is" --max-new-tokens 16 --steps'
    command = _command(commands, "generate", purpose, example, "generation")
    _model(command, "a causal model")
    command.add_argument(
        "--prompt", "--prompts", type=_text, action="append", dest="prompts", help="text to continue; repeatable"
    )
    command.add_argument("--max-new-tokens", type=int, metavar="N", help="tokens to add at most")
    command.add_argument("--top-k", type=int, metavar="N", help="candidates to show at each step")
    command.add_argument(
        "--steps", action="store_true", help="show each step's candidates, and check that generate() agrees"
    )
    command.set_defaults(run=_generate)


def _add_recite(commands: "argparse._SubParsersAction[Parser]") -> None:
    purpose = "how much of its training text, and of text it never saw, a causal model recites"
    example = "recite --model models/causal --shards data/shards --prefix 16 --continue 16"
    command = _command(commands, "recite", purpose, example, "recitation")
    _model(command, "a causal model")
    command.add_argument("--shards", type=Path, required=True, metavar="DIR", help="the shards it was trained on")
    command.add_argument("--prefix", type=int, metavar="N", help="tokens of each row to give")
    command.add_argument(
        "--continue", "--continuation", type=int, metavar="N", dest="continuation", help="tokens to add and compare"
    )
    command.add_argument("--prefix-lengths", type=_lengths, metavar="N,N", help="prefix lengths of the curve")
    command.add_argument("--rows", type=int, metavar="N", help="rows of each split to try, drawn by the seed")
    command.add_argument("--examples", type=int, metavar="N", help="rows of each split to show side by side")
    command.add_argument("--batch-rows", type=int, metavar="N", help="rows decoded at a time")
    command.add_argument("--seed", type=int, metavar="N", help="decides the rows and the bootstrap")
    command.add_argument("--curve", type=Path, metavar="FILE", help="write recitation by prefix length as CSV")
    command.set_defaults(run=_recite)


def _add_perplexity(commands: "argparse._SubParsersAction[Parser]") -> None:
    purpose = "how well a causal model predicts texts: perplexity per token, word and byte, as lm-eval has them"
    command = _command(
        commands,
        "perplexity",
        purpose,
        "perplexity --model models/causal --shards data/shards --save validation.jsonl\n"
        f"  {program(PROGRAM)} perplexity --model models/causal --texts validation.jsonl",
        None,
    )
    _model(command, "a causal model")
    command.add_argument("--texts", type=Path, metavar="FILE", help='lines of JSON such as {"text": "A river."}')
    command.add_argument("--shards", type=Path, metavar="DIR", help="take the text of its validation rows instead")
    command.add_argument("--save", type=Path, metavar="FILE", help="write the texts as lines of JSON, for other tools")
    command.set_defaults(run=_perplexity)


def _add_report(commands: "argparse._SubParsersAction[Parser]") -> None:
    purpose = "one page that shows the corpus, both trainings, and what both models know"
    example = (
        "report --shards data/shards --tokenizer data/tokenizer --causal models/causal --masked models/masked \\\n"
        "      --results results --output report"
    )
    command = _command(commands, "report", purpose, example, "report")
    for flag, what in (
        ("shards", "the shards' folder"),
        ("tokenizer", "the tokenizer's folder"),
        ("causal", "the causal model's folder"),
        ("masked", "the masked model's folder"),
        ("results", "the folder with fill_mask.json, generation.json and recitation.json"),
        ("output", "folder for index.html and metrics.json"),
    ):
        command.add_argument(f"--{flag}", type=Path, required=True, metavar="DIR", help=what)
    command.add_argument("--title", type=_text, help="heading of the page")
    command.add_argument("--sample", type=_text, help="text whose tokens are shown")
    command.set_defaults(run=_report)


def main(argv: Sequence[str] | None = None) -> None:
    """Answer one question; see `--help`.

    Raises:
        UsageError: wrong flags or params.
        RunError: a model, shards or results that cannot be read.
    """
    args = _parser().parse_args(argv)
    output = getattr(args, "output", None)
    if output is not None and args.command != "report" and output.is_dir():
        raise UsageError(f"--output {output}: is a folder; name a file, such as {output / 'result.json'}")
    args.run(args)


if __name__ == "__main__":
    sys.exit(run(main, PROGRAM))
