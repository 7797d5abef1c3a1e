"""Add the command-line flags that several commands share, and apply them to sections of params.yaml."""

import argparse
import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.settings import SourceSettings, SplitSettings
from wikilm.cli import Parser
from wikilm.errors import UsageError
from wikilm.params import from_flags, section

SOURCE_KEYS = {"path": "source", "mixture": "source", "mixture.columns": "columns"}  # -> flags
BEAM_FLAG = "--job-server-timeout"  # the one of Beam's that has hyphens, as ours have


def parse_with_beam(parser: Parser, argv: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """Parse a command line that may hold options of Beam, which are returned as they are (see `beam_options`).

    Raises:
        UsageError: an option is neither ours nor of Beam's kind, so that nobody waits for Beam to say it.
    """
    args, rest = parser.parse_known_args(argv)
    for flag in (argument.split("=")[0] for argument in rest if argument.startswith("--")):
        if "-" in flag.removeprefix("--") and flag != BEAM_FLAG:
            raise UsageError(f"{flag}: neither wikilm nor Beam has such an option (see --help)")
    return args, rest


def add_source(parser: Parser) -> None:
    """Add the flags of section `source`."""
    parser.defaults_from("source", source="path")
    group = parser.add_argument_group("source")
    group.add_argument(
        "--source",
        action="append",
        type=member,
        metavar="PATH",
        help="a Wikipedia dump (*-multistream.xml.bz2 with its index beside it, .xml, or .xml.bz2, .gz, .xz, .zst), a "
        "Parquet or .jsonl file (.gz, .zst, ...), or a folder of them; here, or at https://, s3://, gs://, "
        "hf://datasets/…; or a dump by name, such as wikimedia:ltgwiki/latest; see docs/sources.md. Give it again for "
        "each further wiki (source.mixture of params.yaml)",
    )
    group.add_argument(
        "--share",
        action=OfSource,
        type=share,
        metavar="F",
        help="only this share, from 0 to 1, of the articles of the --source before it, such as: --source A --share 0.5 "
        "--source B",
    )
    group.add_argument(
        "--unit-bytes",
        type=int,
        metavar="N",
        help="stored bytes of the source that make one work unit, and so one shard",
    )
    group.add_argument("--max-page-bytes", type=int, metavar="N", help="a larger page is a dead letter")
    group.add_argument(
        "--max-page-seconds",
        type=float,
        metavar="S",
        help="a page that takes more CPU time to clean is a dead letter",
    )
    group.add_argument(
        "--namespaces",
        type=numbers,
        metavar="N,...",
        help="pages of these are articles: 0 on Wikipedia; Wikisource keeps its prose in 104, too",
    )
    group.add_argument(
        "--templates",
        type=pair,
        action="append",
        metavar="NAME=KNOWN",
        help="a template of this wiki, and the known one, or pattern, that it is; again for more: docs/clean-text.md",
    )
    group.add_argument(
        "--template-redirects",
        action=argparse.BooleanOptionalAction,
        help="first look through the whole dump for redirects to known templates",
    )
    group.add_argument(
        "--formulas",
        choices=("drop", "tex"),
        help="drop formulas, or keep them as their TeX source, as $x^2$",
    )
    group.add_argument(
        "--columns",
        action=OfSource,
        type=names,
        metavar="text=NAME,...",
        help="columns of Parquet and jsonl that are called otherwise: of id, title, text, url, revision, timestamp; "
        "those of the --source before it, or, before all of them, of each that names none",
    )
    group.add_argument(
        "--contact",
        metavar="ADDRESS",
        help="mail or web address for the User-Agent; http(s) sources need one",
    )
    group.add_argument("--mirror", metavar="URL", help="where wikimedia:WIKI/DATE sources are looked up")


def add_split(parser: Parser) -> None:
    """Add the flags of section `split`."""
    parser.defaults_from("split")
    group = parser.add_argument_group("split")
    group.add_argument("--seed", type=int, metavar="N", help="part of the digest that decides an article's split")
    group.add_argument("--validation-fraction", type=float, metavar="F", help="share of the articles that is held back")
    group.add_argument(
        "--take",
        type=two_counts,
        metavar="TRAIN,VALIDATION",
        help="keep only this many articles of each split, those with the smallest digests; copies of others that "
        "--deduplicate leaves out count as taken",
    )


def source_settings(args: argparse.Namespace) -> SourceSettings:
    """Return section `source` with the flags of `add_source` applied."""
    if args.share is not None:
        raise UsageError("--share: belongs behind the --source that it is about, once for each")
    overrides = from_flags(
        args, "unit_bytes", "contact", "mirror", "max_page_bytes", "max_page_seconds", "namespaces", "columns",
        "template_redirects", "formulas",
    )  # fmt: skip
    if args.templates is not None:
        overrides["templates"] = dict(args.templates)
    if args.source is not None:
        overrides |= named_sources(args.source)
    settings = section(args.params, "source", SourceSettings, overrides, SOURCE_KEYS)
    if args.source is not None:
        return settings.from_flag("--source")
    _check_dvc_sees(settings)
    return settings


def named_sources(sources: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Return the keys of section `source` that say what sources there are: the values of --source, with what is behind
    each of them.
    """
    first, *others = sources
    if others or first.get("share", 1.0) != 1.0:
        return {"path": first["path"], "address": None, "mixture": list(sources)}
    columns = {"columns": first["columns"]} if "columns" in first else {}
    return {"path": first["path"], "address": None, "mixture": None, **columns}


def _check_dvc_sees(settings: SourceSettings) -> None:
    """Refuse a mixture of params.yaml with files whose changes DVC would not see: `source.path` is what it hashes."""
    seen = Path(os.path.abspath(settings.path))
    for member in settings.mixture or ():
        here = Path(os.path.abspath(member.path))
        if "://" not in member.path and not member.path.startswith("wikimedia:") and not here.is_relative_to(seen):
            raise UsageError(
                f"source.mixture: {member.path}: is not within source.path ({settings.path}), which is what DVC hashes;"
                " let source.path be the folder that holds all that are on this machine"
            )


def split_settings(args: argparse.Namespace) -> SplitSettings:
    """Return section `split` with the flags of `add_split` applied."""
    overrides = from_flags(args, "seed", "validation_fraction", "take")
    return section(args.params, "split", SplitSettings, overrides)


class OfSource(argparse.Action):
    """A flag that belongs to the --source before it; where there is none, to all sources that have no such flag."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """Add the value to the last source.

        Raises:
            argparse.ArgumentError: the source has one already.
        """
        sources: list[dict[str, object]] = getattr(namespace, "source", None) or []
        if not sources:
            setattr(namespace, self.dest, values)
        elif self.dest in sources[-1]:
            raise argparse.ArgumentError(self, "belongs behind the --source that it is about, once for each")
        else:
            sources[-1][self.dest] = values


def member(path: str) -> dict[str, object]:
    """Make the entry of `source.mixture` for a source, all of whose articles count until a share is given."""
    return {"path": path}


def share(text: str) -> float:
    """Parse a share, such as 0.5.

    Raises:
        argparse.ArgumentTypeError: it is no number from 0 to 1.
    """
    with contextlib.suppress(ValueError):
        if 0 <= (number := float(text)) <= 1:
            return number
    raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, such as 0.5, not {text!r}")


def numbers(text: str) -> tuple[int, ...]:
    """Parse whole numbers, such as 0,104.

    Raises:
        argparse.ArgumentTypeError: it is anything else.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be whole numbers such as 0,104, not {text!r}") from None


def pair(text: str) -> tuple[str, str]:
    """Parse a name and what it stands for, such as Kilometer=convert.

    Raises:
        argparse.ArgumentTypeError: it is anything else.
    """
    name, sign, known = text.partition("=")
    if not (sign and name.strip() and known.strip()):
        raise argparse.ArgumentTypeError(f"must be NAME=KNOWN such as Kilometer=convert, not {text!r}")
    return name.strip(), known.strip()


def names(text: str) -> dict[str, str]:
    """Parse names by what they name, such as text=content,id=page.

    Raises:
        argparse.ArgumentTypeError: it is anything else.
    """
    pairs = [part.partition("=") for part in text.split(",")]
    found = {what: name for what, _, name in pairs}
    if len(found) < len(pairs) or not all(what and equals and name for what, equals, name in pairs):
        raise argparse.ArgumentTypeError(f"must be names such as text=content,id=page, not {text!r}")
    return found


def two_counts(text: str) -> tuple[int, int]:
    """Parse two counts, such as 50,50.

    Raises:
        argparse.ArgumentTypeError: it is anything else.
    """
    parts = text.split(",")
    try:
        train, validation = (int(part) for part in parts)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be two whole numbers such as 50,50, not {text!r}") from None
    return train, validation
