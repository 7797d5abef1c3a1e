"""Run the command `python -m probes`: answer one question about a model, for people or as JSON."""

import os
import sys
from collections.abc import Sequence

# The hub's telemetry, the tokenizers' fork warning and transformers' advice have no place in a probe.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from probes.commands import PROGRAM, QUESTIONS
from wikilm.cli import Parser, program, run
from wikilm.errors import UsageError


def _parser() -> Parser:
    parser = Parser(
        prog=program(PROGRAM),
        description="Ask a language model what it is made of, what it predicts, and what it has learned by heart.",
        epilog=f"Each question has its own help and an example: {program(PROGRAM)} fill-mask --help",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="QUESTION", parser_class=Parser)
    for question in QUESTIONS:
        question.add(commands)
    return parser


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
