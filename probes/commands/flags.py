"""Make a command of a question, with the flags that several share."""

import argparse
from pathlib import Path
from typing import TypeAlias

from probes.settings import DEVICES, DTYPES, Machine
from wikilm.cli import Parser, program

PROGRAM = "python -m probes"
_WRITTEN = "written"
Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


def command(
    commands: Commands, name: str, purpose: str, example: str, section: str | None, *, prints_json: bool = True
) -> Parser:
    """Return a sub-command whose help starts with its purpose and ends with an example."""
    parser = commands.add_parser(
        name,
        help=purpose,
        description=purpose[0].upper() + purpose[1:] + ".",
        epilog=f"example:\n  {program(PROGRAM)} {example}",
    )
    if prints_json:
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of text for people")
    if section is not None:
        parser.add_params()
        parser.defaults_from(section)
    return parser


def add_model(parser: Parser, kind: str, **options: object) -> None:
    """Add --model, and what a question to a model has besides: --device, --dtype and --output."""
    help_text = f"{kind}: a folder with config.json and model.safetensors, or a hub name"
    parser.add_argument("--model", required=True, help=help_text, **options)  # type: ignore[arg-type]
    add_machine(parser)
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the JSON to this file too")


def add_machine(parser: Parser) -> None:
    """Add --device and --dtype."""
    where = "where the model computes; auto: on a CUDA device where there is one"
    parser.add_argument("--device", choices=DEVICES, default="auto", help=where)
    numbers = "the numbers in which it computes; auto: those in which its weights are stored"
    parser.add_argument("--dtype", choices=DTYPES, default="auto", help=numbers)


def machine(args: argparse.Namespace) -> Machine:
    """Return where the model is to compute."""
    return Machine(args.device, args.dtype)


def computed(args: argparse.Namespace) -> dict[str, str]:
    """Return on what the model computed, and in what numbers it was asked to, for the settings of a result."""
    from probes.model.device import device_of  # torch is loaded by now

    return {"device": device_of(machine(args)).type, "dtype": args.dtype}


class Append(argparse.Action):
    """Collect the values of a flag that may be given again, and remember how it was written: see `written`."""

    def __call__(
        self, parser: object, namespace: argparse.Namespace, values: object, option_string: str | None = None
    ) -> None:
        """Add a value; `argparse` calls this."""
        setattr(namespace, self.dest, [*(getattr(namespace, self.dest) or ()), values])
        names = getattr(namespace, _WRITTEN, {})
        setattr(namespace, _WRITTEN, names | {self.dest: option_string})


def written(args: argparse.Namespace) -> dict[str, str]:
    """Return which flag the user wrote for each setting that has more than one, without its hyphens."""
    return {key: flag.removeprefix("--") for key, flag in getattr(args, _WRITTEN, {}).items()}


def source(args: argparse.Namespace, dest: str, key: str) -> str:
    """Return what errors call a setting: the flag that the user wrote, or its key in the params file."""
    flag: str = getattr(args, _WRITTEN, {}).get(dest, "")
    return flag or (f"{args.params}: {key}" if args.params else key)


def lengths(text: str) -> tuple[int, ...]:
    """`1,2,4` as numbers."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of whole numbers such as 1,2,4") from None
