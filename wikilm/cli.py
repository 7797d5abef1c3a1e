"""Run a command's `main`, and turn its end into an exit status: 0 done, 1 the run failed, 2 wrong usage."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from wikilm.errors import RunError, reason
from wikilm.stage import heading


class _Help(argparse.RawDescriptionHelpFormatter):
    """Descriptions and examples as they are written, and the default of each option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        told = action.help is None or "default" in action.help
        has_one = action.option_strings and action.default not in (None, False, argparse.SUPPRESS)
        return f"{action.help} (default: %(default)s)" if has_one and not told else action.help


class Parser(argparse.ArgumentParser):
    """An argument parser that shows defaults and ends wrong usage in one line with exit status 2."""

    def __init__(self, **options: object) -> None:
        options.setdefault("formatter_class", _Help)
        super().__init__(allow_abbrev=False, **options)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        """Print the reason in one line that points to --help, and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def run(main: Callable[[Sequence[str] | None], None], program: str, argv: Sequence[str] | None = None) -> int:
    """Call `main(argv)` and turn its errors into an exit status and one line on stderr.

    A user's mistake never shows a traceback; a fault of the program itself does, since there it is what helps.
    `WIKILM_TRACEBACK=1` in the environment shows it for every error.
    """
    if told := heading():
        print(told, file=sys.stderr, flush=True)
    try:
        main(argv)
        sys.stdout.flush()
        return 0
    except (RunError, OSError, KeyboardInterrupt) as error:
        if os.environ.get("WIKILM_TRACEBACK") == "1":
            raise
        if isinstance(error, BrokenPipeError):  # the reader of our stdout (`| head`) has gone: no fault of the run
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        # Names out of a source may hold what controls a terminal.
        told = "".join(character if character.isprintable() else "�" for character in reason(error))
        print(f"{program}: error: {told}", file=sys.stderr)
        return 130 if isinstance(error, KeyboardInterrupt) else getattr(error, "exit_status", 1)
