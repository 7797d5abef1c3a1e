"""Command-line flags that several commands of the pipeline share in, sections of params.yaml with them applied out."""

import argparse
from pathlib import Path

from pipeline.settings import SourceSettings, SplitSettings
from wikilm.params import DEFAULT_PARAMS, from_flags, section

FROM_PARAMS = "(default: params.yaml decides)"


def add_params(parser: argparse.ArgumentParser) -> None:
    """The flag that names the params file."""
    parser.add_argument(
        "--params", type=Path, metavar="FILE", default=DEFAULT_PARAMS, help="settings for all that no flag says"
    )


def add_source(parser: argparse.ArgumentParser) -> None:
    """The flags of section `source`."""
    group = parser.add_argument_group("source")
    group.add_argument(
        "--source",
        metavar="PATH",
        help="a Wikipedia dump (*-multistream.xml.bz2 with its index beside it, .xml, .xml.bz2, .xml.gz), a Parquet "
        "file, or a folder of them; here, or at https://, s3://, gs://, hf://datasets/…; or a dump by name, such as "
        f"wikimedia:ltgwiki/latest; see docs/sources.md {FROM_PARAMS}",
    )
    group.add_argument(
        "--unit-bytes",
        type=int,
        metavar="N",
        help=f"stored bytes of the source that make one work unit, and so one shard {FROM_PARAMS}",
    )
    group.add_argument("--max-page-bytes", type=int, metavar="N", help=f"a larger page is a dead letter {FROM_PARAMS}")
    group.add_argument(
        "--max-page-seconds",
        type=float,
        metavar="S",
        help=f"a page that takes more CPU time to clean is a dead letter {FROM_PARAMS}",
    )
    group.add_argument(
        "--contact",
        metavar="ADDRESS",
        help=f"mail or web address for the User-Agent; http(s) sources need one {FROM_PARAMS}",
    )
    group.add_argument("--mirror", metavar="URL", help=f"where wikimedia:WIKI/DATE sources are looked up {FROM_PARAMS}")


def add_split(parser: argparse.ArgumentParser) -> None:
    """The flags of section `split`."""
    group = parser.add_argument_group("split")
    group.add_argument(
        "--seed", type=int, metavar="N", help=f"part of the digest that decides an article's side {FROM_PARAMS}"
    )
    group.add_argument(
        "--validation-fraction", type=float, metavar="F", help=f"share of the articles that is held back {FROM_PARAMS}"
    )
    group.add_argument(
        "--take",
        type=two_counts,
        metavar="TRAIN,VALIDATION",
        help=f"keep only this many articles of each side, those with the smallest digests {FROM_PARAMS}",
    )


def source_settings(args: argparse.Namespace) -> SourceSettings:
    """Section `source` with the flags of `add_source` applied."""
    overrides = from_flags(args, "unit_bytes", "contact", "mirror", "max_page_bytes", "max_page_seconds")
    if args.source is not None:
        overrides |= {"path": args.source, "address": None}
    return section(args.params, "source", SourceSettings, overrides)


def split_settings(args: argparse.Namespace) -> SplitSettings:
    """Section `split` with the flags of `add_split` applied."""
    overrides = from_flags(args, "seed", "validation_fraction", "take")
    return section(args.params, "split", SplitSettings, overrides)


def two_counts(text: str) -> tuple[int, int]:
    """Two counts of a text such as 50,50.

    Raises:
        argparse.ArgumentTypeError: it is anything else.
    """
    parts = text.split(",")
    try:
        train, validation = (int(part) for part in parts)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be two whole numbers such as 50,50, not {text!r}") from None
    return train, validation
