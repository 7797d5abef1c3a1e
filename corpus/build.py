"""Pack the wikitext files of `corpus/pages` into `miniwiki-pages-articles-multistream.xml.bz2`, with its index."""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from corpus.export import Dump, pack
from corpus.page import Page, read_pages
from wikilm.cli import Parser, run
from wikilm.errors import RunError

PROGRAM = "python -m corpus.build"
HERE = Path(__file__).parent
XML_NAME = "miniwiki-pages-articles-multistream.xml.bz2"
INDEX_NAME = "miniwiki-pages-articles-multistream-index.txt.bz2"


def main(argv: Sequence[str] | None = None) -> None:
    """Build the dump, or with --check compare the built files with what the pages would make."""
    args = _arguments(argv)
    pages = read_pages(args.pages)
    dump = pack(pages, args.pages_per_stream)
    files = {args.output / XML_NAME: dump.xml, args.output / INDEX_NAME: dump.index}
    if args.check:
        for path, content in files.items():
            _check(path, content)
    else:
        _make_folder(args.output)
        write_together(files)
    print(summary(args.output / XML_NAME, pages, dump))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog=PROGRAM,
        description="Pack the bundled mini encyclopedia into a multistream dump, as real Wikipedia dumps are: the same "
        "pages give the same bytes. Build it again after every change of a page, and commit both.",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the built files are not current")
    parser.add_argument("--pages", type=Path, default=HERE / "pages", metavar="DIR", help="folder of .wikitext files")
    parser.add_argument("--output", type=Path, default=HERE, metavar="DIR", help="folder of the two built files")
    parser.add_argument("--pages-per-stream", type=int, default=10, metavar="N", help="pages in one bz2 stream")
    args = parser.parse_args(argv)
    if args.pages_per_stream < 1:
        parser.error(f"argument --pages-per-stream: must be at least 1, not {args.pages_per_stream}")
    return args


def _check(path: Path, content: bytes) -> None:
    """Fail when the file at `path` does not hold `content`."""
    if not path.is_file():
        raise RunError(f"{path}: no such file; build it with {PROGRAM}")
    if path.read_bytes() != content:
        raise RunError(f"{path}: not what the pages make; build it again with {PROGRAM}")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot make this folder: {error.strerror}; name another one with --output") from None


def write_together(files: dict[Path, bytes]) -> None:
    """Write files that belong together: all are whole on disk before the first gets its name."""
    written: list[tuple[str, Path]] = []
    try:
        for path, content in files.items():
            if path.is_dir():
                raise RunError(f"{path}: is a folder; name another one with --output")
            descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            written.append((name, path))
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)  # mkstemp makes files for its user alone
        while written:
            os.replace(*written[0])
            written.pop(0)
    finally:
        for name, _ in written:
            Path(name).unlink(missing_ok=True)


def summary(path: Path, pages: Sequence[Page], dump: Dump) -> str:
    """One line for people: what the dump holds."""
    articles = sum(page.namespace == 0 and page.redirect is None for page in pages)
    redirects = sum(page.namespace == 0 and page.redirect is not None for page in pages)
    others = len(pages) - articles - redirects
    return (
        f"{path}: {len(pages)} pages ({articles} articles, {redirects} redirects, {others} of other "
        f"namespaces) in {dump.streams} streams, {len(dump.xml):,} bytes"
    )


if __name__ == "__main__":
    sys.exit(run(main, PROGRAM))
