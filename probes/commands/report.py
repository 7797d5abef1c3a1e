"""Answer `report`: all of it on one page."""

import argparse
import sys
from pathlib import Path

from probes.commands.flags import Commands, command
from probes.settings import ReportSettings, load_settings
from wikilm.params import from_flags


def add(commands: Commands) -> None:
    """Add the command with its flags."""
    purpose = "one page that shows the corpus, both trainings, and what both models know"
    example = (
        "report --shards data/shards --tokenizer data/tokenizer --causal models/causal --masked models/masked \\\n"
        "      --results results --output report"
    )
    parser = command(commands, "report", purpose, example, "report")
    for flag, what in (
        ("shards", "the shards' folder"),
        ("tokenizer", "the tokenizer's folder"),
        ("causal", "the causal model's folder"),
        ("masked", "the masked model's folder"),
        (
            "results",
            "folder of fill_mask.json, generation.json and recitation.json; of trace.json and curves.json, too",
        ),
        ("output", "folder for index.html, figures.json and metrics.json"),
    ):
        parser.add_argument(f"--{flag}", type=Path, required=True, metavar="DIR", help=what)
    parser.add_argument("--title", help="heading of the page")
    parser.add_argument("--sample", help="text whose tokens are shown")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Answer the question for checked flags."""
    settings = load_settings(args.params, "report", ReportSettings, from_flags(args, "title", "sample"))
    from probes.output import json_text
    from probes.report import page as report

    metrics, headline = report.write_report(
        report.Inputs(args.shards, args.tokenizer, args.causal, args.masked, args.results), args.output, settings
    )
    page = args.output / report.PAGE
    sys.stdout.write(json_text(metrics) if args.json else f"{headline}\n\nThe page: {page}\n")
