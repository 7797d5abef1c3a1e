"""Follow one page of a source through the pipeline, side by side: raw, clean, tokens, rows.

Of a page that cannot be read or cleaned (a dead letter): where it lies, why, and its raw text; exit status 1.

Examples:
  python -m pipeline.show --source enwiki-20160501-pages-articles-multistream.xml.bz2 --title Anarchism | less
  python -m pipeline.show --page-id 12 --tokenizer data/tokenizer

With a multistream dump only the bz2 stream that holds the article is read.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.flags import add_source, source_settings
from pipeline.settings import ShardsSettings
from wikilm.cli import Parser, program, run
from wikilm.columns import side_by_side
from wikilm.errors import RunError, UsageError
from wikilm.params import section
from wikilm.terminal import visible

PROGRAM = "python -m pipeline.show"
DEFAULT_TOKENIZER = Path("data/tokenizer")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command `python -m pipeline.show`."""
    parser = Parser(prog=program(PROGRAM), description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--title", help="the page's title, as it is written above it")
    which.add_argument("--page-id", type=int, metavar="N", help="its page id")
    which.add_argument("--where", metavar="PLACE", help="the place of a dead letter, as dead_letters.jsonl has it")
    parser.add_argument(
        "--tokenizer", type=Path, metavar="DIR", help=f"show tokens and chunks too; {DEFAULT_TOKENIZER} if it is there"
    )
    add_source(parser)
    parser.add_argument("--wiki", metavar="NAME", help="of several sources the one of this wiki, such as enwiki")
    parser.add_params()
    args = parser.parse_args(argv)
    settings = source_settings(args)
    if args.page_id is not None and args.page_id < 0:
        raise UsageError(
            f"--page-id {args.page_id}: is a canary, a made-up sentence that shards.canaries plants and no source has; "
            "manifest.json of the shards lists them all"
        )
    from pipeline.inspection.origins import NO_TITLE
    from pipeline.inspection.page import Dead, columns_of, dead_page, find
    from pipeline.source import Wanted, member_of
    from pipeline.tokens import Encoder

    source = member_of(settings, args.wiki)
    found = find(source, Wanted(args.title, args.page_id, args.where))
    if isinstance(found, Dead):
        print("\n".join(dead_page(found)))
        sys.stdout.flush()  # before the line on stderr
        raise RunError(f"{source.path}: this page is a dead letter: {visible(found.letter.error)}")
    folder = args.tokenizer or (DEFAULT_TOKENIZER if DEFAULT_TOKENIZER.is_dir() else None)
    encoder = Encoder(folder) if folder is not None else None
    shards = section(args.params, "shards", ShardsSettings) if encoder is not None else None
    article = found.article
    print(
        f"{visible(article.title) or NO_TITLE} (page {article.page_id}, revision {article.revision_id or 'unknown'})\n"
    )
    for line in side_by_side(columns_of(found, encoder, shards), shutil.get_terminal_size((120, 24)).columns):
        print(line)
    if found.note:
        print(f"\n{visible(found.note)}", file=sys.stderr)
    if encoder is None:
        print(
            "\nno tokenizer yet: make one with python -m pipeline.tokenizer to see tokens and chunks", file=sys.stderr
        )


if __name__ == "__main__":
    sys.exit(run(main, PROGRAM))
