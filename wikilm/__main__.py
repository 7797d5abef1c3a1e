"""Run the command `wikilm`, one name for the commands of all packages."""

import difflib
import importlib
import sys
from collections.abc import Sequence

from wikilm import __version__
from wikilm.cli import run
from wikilm.commands import COMMANDS, Command
from wikilm.errors import UsageError

HELP = f"""wikilm {__version__}: from Wikipedia to a trained language model that you can question

    source -> articles -> clean text -> tokens -> rows -> shards | batches -> model | answers -> report
    ------------- tokenizer, preprocess (Apache Beam) ---------- | ---- train ----- | ----- probe -----

usage: wikilm COMMAND [arguments]      (wikilm COMMAND --help: its flags, and the value that each has)

commands:
{{commands}}

Parameters are in params.yaml of the current folder. Where there is none, the built-in ones hold: the laptop preset, on
the bundled corpus. In a checkout, `wikilm repro` runs every stage that a change has touched; `make repro` also sets up.
"""


def help_text() -> str:
    """Return what `wikilm --help` prints."""
    width = max(len(command.name) for command in COMMANDS)
    return HELP.format(commands="\n".join(f"  {one.name:<{width}}  {one.purpose}" for one in COMMANDS))


def find_command(name: str) -> Command:
    """Return the sub-command of a name.

    Raises:
        UsageError: there is none; the nearest one is named.
    """
    for command in COMMANDS:
        if command.name == name:
            return command
    near = difflib.get_close_matches(name, [command.name for command in COMMANDS], n=1)
    hint = f"did you mean '{near[0]}'?" if near else "see wikilm --help"
    raise UsageError(f"{name!r}: no such command; {hint}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the sub-command that the arguments begin with; return its exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    if not given or given[0] in ("-h", "--help", "help"):
        print(help_text(), end="")
        return 0 if given else 2
    if given[0] in ("-V", "--version"):
        print(f"wikilm {__version__}")
        return 0
    try:
        command = find_command(given[0])
    except UsageError as error:
        print(f"wikilm: error: {error}", file=sys.stderr)
        return error.exit_status

    def imported(rest: Sequence[str] | None) -> None:  # within `run`, which tells what is missing
        importlib.import_module(command.module).main(rest)

    return run(imported, f"wikilm {command.name}", given[1:], module=command.module, ends=argv is None)


if __name__ == "__main__":
    sys.exit(main())
