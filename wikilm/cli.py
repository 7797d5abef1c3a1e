"""Run a command's `main`, and turn its end into an exit status: 0 done, 1 the run failed, 2 wrong usage."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from wikilm.commands import as_typed
from wikilm.errors import RunError, reason
from wikilm.limits import used_up
from wikilm.missing import explain
from wikilm.stage import heading
from wikilm.terminal import is_utf8, visible

SHOWN = 60  # characters of an argument in an error
TOLD = (RunError, OSError, KeyboardInterrupt)  # in one line; others are faults of the program, unless we know better
_running: list[str] = []  # the name of the command that `run` runs, as the user typed it
_ending: list[bool] = []  # whether the process ends after it


def program(otherwise: str) -> str:
    """Return the running command as the user typed it, such as `wikilm show`; `otherwise` outside of `run`."""
    return _running[-1] if _running else otherwise


class _Help(argparse.RawDescriptionHelpFormatter):
    """Show descriptions and examples as they are written, and after each option the value it has."""

    values: Callable[[], Mapping[str, str]] = dict  # dest -> "(params.yaml: 4096)", of the parser that is shown

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.help is None or action.help is argparse.SUPPRESS:
            return action.help
        if action.default is None and (value := self.values().get(action.dest)) is not None:
            return f"{action.help} {value}".replace("%", "%%")
        has_one = action.option_strings and action.default not in (None, False, argparse.SUPPRESS)
        return f"{action.help} (default: %(default)s)" if has_one and "default" not in action.help else action.help


class _ShowHelp(argparse.Action):
    """The action of --help, which takes a --params before it into account."""

    def __init__(self, option_strings: Sequence[str], dest: str, **_: object) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help="show this text and end")

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, *_: object) -> None:
        assert isinstance(parser, Parser)
        parser.params = getattr(namespace, "params", None)
        parser.print_help()
        parser.exit()


class Parser(argparse.ArgumentParser):
    """An argument parser that shows the value each flag has and ends wrong usage in one line with exit status 2."""

    def __init__(self, *, add_help: bool = True, **options: Any) -> None:
        options.setdefault("formatter_class", _Help)
        super().__init__(allow_abbrev=False, add_help=False, **options)
        self.params: Path | None = None
        self._sections: list[tuple[str, dict[str, str]]] = []
        if add_help:
            self.add_argument("-h", "--help", action=_ShowHelp)

    def defaults_from(self, section: str, **flags: str) -> None:
        """Declare that flags default to the values of a section of params.yaml, which --help then shows.

        Args:
            section: such as "shards" or "pretrain.causal"; a flag belongs to the key of its own name.
            flags: flag=key where the two differ.
        """
        self._sections.append((section, flags))

    def add_params(self) -> None:
        """Add the flag that names the params file."""
        told = "settings for all that no flag says (default: params.yaml here, or else those built in)"
        self.add_argument("--params", type=Path, metavar="FILE", help=told)

    def _get_formatter(self) -> argparse.HelpFormatter:
        formatter = super()._get_formatter()
        if isinstance(formatter, _Help):
            formatter.values = self._values
        return formatter

    def _values(self) -> dict[str, str]:
        if not self._sections:
            return {}
        from wikilm.params import shown_values  # pydantic and ruamel, which a parser without sections need not wait for

        return {
            flag: value
            for section, flags in self._sections
            for key, value in shown_values(self.params, section).items()
            for flag in [key, *(flag for flag, other in flags.items() if other == key)]
        }

    def format_help(self) -> str:
        """Return the help, with commands named as the user typed this one: `wikilm show`, `python -m pipeline.show`."""
        text = super().format_help()
        return as_typed(text) if self.prog.startswith("wikilm") else text

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the arguments, all of which must be text: results hold texts and names of files, in UTF-8."""
        given = list(sys.argv[1:] if args is None else args)
        for before, argument in zip(["", *given], given, strict=False):
            if not is_utf8(argument):
                flag = f"{before} " if before.startswith("-") else ""
                self.error(f"{flag}{visible(argument[:SHOWN])!r}: is not valid UTF-8")
        return super().parse_known_args(given, namespace)

    def error(self, message: str) -> NoReturn:
        """Print the reason in one line that points to --help, and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def positive(text: str) -> int:
    """Return a flag's value as a whole number of at least 1: the `type` of an argument."""
    if not text.removeprefix("-").isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number, got {text!r}")
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


Main = Callable[[Sequence[str] | None], None]


def run(
    main: Main, name: str, argv: Sequence[str] | None = None, *, module: str | None = None, ends: bool | None = None
) -> int:
    """Call `main(argv)` and turn its errors into an exit status and one line on stderr.

    A user's mistake never shows a traceback; a fault of the program itself does, since there it is what helps.
    `WIKILM_TRACEBACK=1` in the environment shows it for every error. Where several processes run together (accelerate
    sets RANK), what all of them have is told by the first alone, and another failure by each that has one.

    Args:
        main: takes the arguments after the command's name.
        name: of the command, as the user typed it.
        argv: those arguments; None takes them from the command line.
        module: where the command's code is, if `main` only leads to it.
        ends: whether this process ends after the command; None where that follows from `argv`, which is None then.
    """
    _running.append(name)
    _ending.append(argv is None if ends is None else ends)
    try:
        if stage := heading():
            print(stage, file=sys.stderr, flush=True)
        main(argv)
        if sys.stdout:  # it may have been closed (`>&-`)
            sys.stdout.flush()
        if ends_after():
            ignore_signals()
        return 0
    except BaseException as error:
        why = explain(error, module or _module_of(main)) or used_up(error)
        if os.environ.get("WIKILM_TRACEBACK") == "1" or not (why or isinstance(error, TOLD)):
            raise
        if isinstance(error, BrokenPipeError):  # the reader of our stdout (`| head`) has gone: no fault of the run
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        rank = os.environ.get("RANK", "0")
        if rank == "0" or not getattr(error, "is_common", False):
            process = "" if rank == "0" else f"process {rank}: "
            told = visible(why or reason(error))  # names out of a source may hold anything
            print(f"{name}: {process}error: {as_user_types(told)}", file=sys.stderr)
        return 130 if isinstance(error, KeyboardInterrupt) else getattr(error, "exit_status", 1)
    finally:
        _running.pop()
        _ending.pop()


def as_user_types(text: str) -> str:
    """Return a text that says `python -m train.runs`, with `wikilm runs` instead where the user types that."""
    return as_typed(text) if program("").startswith("wikilm") else text


def ends_after() -> bool:
    """Return whether this process ends after the running command, and does nothing else."""
    return bool(_ending) and _ending[-1]


def ignore_signals() -> None:
    """Let no signal make work that is done a failure, while a process ends that does nothing else.

    The interpreter alone can take a second. What the process would start then would ignore these signals, too.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _module_of(main: Callable[..., object]) -> str:
    """Return the module that defines a `main`, also where `python -m` runs it."""
    if main.__module__ != "__main__":
        return main.__module__
    return str(getattr(getattr(sys.modules["__main__"], "__spec__", None), "name", ""))
