"""Compare how fast wikitext is cleaned, in megabytes a second of CPU time: the compiled path, the reference, a peer.

    python -m benchmarks.clean_speed enwiki-...-multistream.xml.bz2 ltgwiki-...-multistream.xml.bz2

All in one process, so that the ratios hold on any machine. The peer is mwparserfromhell's `strip_code`,
which does less: it keeps tables, captions and what is left of templates. XML: megabytes of the unpacked dump from file
to clean text, by the compiled path. Left: the share of the wikitext in lines, and of the pages, that the compiled path
leaves to the reference.
"""

import argparse
import bz2
import time
from collections.abc import Callable, Sequence
from unittest import mock

import mwparserfromhell

from pipeline.articles import Article, Site
from pipeline.prose import clean as clean_module
from pipeline.prose import lines as lines_module
from pipeline.prose.clean import clean_by_reference
from pipeline.prose.clean import clean_compiled as clean
from pipeline.prose.deadline import Deadline
from pipeline.settings import SourceSettings
from pipeline.source import open_source

UNIT_BYTES = 10_000_000
TIMES = 3  # the best counts, since other work on the machine only adds


def main() -> None:
    """Print a Markdown table with one row for each dump."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dumps", nargs="+", help="multistream dumps (.xml.bz2) with their indexes beside them")
    args = parser.parse_args()
    columns = ["dump", "wikitext MB", "compiled MB/s", "reference MB/s", "strip_code MB/s", "left of text", "of pages"]
    print(f"| {' | '.join([*columns, 'XML MB/s'])} |\n|{'---|' * (len(columns) + 1)}")
    for path in args.dumps:
        print(_row(path), flush=True)


def _row(path: str) -> str:
    site, texts, reading = _read(path)
    clean(texts[0], site)  # compiles, where that has not been done yet
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    fast = min(_seconds(lambda text: clean(text, site), texts) for _ in range(TIMES))
    reference = _seconds(lambda text: clean_by_reference(text, site), texts)
    peer = _seconds(lambda text: mwparserfromhell.parse(text).strip_code(), texts)
    with bz2.open(path) as file:
        xml = sum(len(piece) for piece in iter(lambda: file.read(1 << 20), b"")) / 1e6
    text_left, pages_left = _left(texts, site)
    return (
        f"| {path.rsplit('/', 1)[-1]} | {megabytes:.1f} | {megabytes / fast:.1f} | {megabytes / reference:.1f} |"
        f" {megabytes / peer:.1f} | {text_left:.2%} | {pages_left:.2%} | {xml / (reading + fast):.1f} |"
    )


def _read(path: str) -> tuple[Site, list[str], float]:
    """The wikitext of all articles, and the seconds it took to read them."""
    source = open_source(SourceSettings(path=path, unit_bytes=UNIT_BYTES))
    start = time.process_time()
    pages = (page for unit in source.units for page in unit.pages(source.site))
    texts = [page.text for page in pages if isinstance(page, Article)]
    return source.site, texts, time.process_time() - start


def _seconds(work: Callable[[str], object], texts: Sequence[str]) -> float:
    start = time.process_time()
    for text in texts:
        work(text)
    return time.process_time() - start


def _left(texts: Sequence[str], site: Site) -> tuple[float, float]:
    """The share of the text that the compiled path leaves to the reference line by line, and the share of pages."""
    lines, pages = 0, 0
    take_marks, cut_page = lines_module.take_marks, clean_module.cut

    def line(text: str) -> str | None:
        nonlocal lines
        lines += len(text)
        return take_marks(text)

    def cut(text: str, site: Site, deadline: Deadline) -> tuple[str, list[str]]:
        nonlocal pages
        pages += 1
        return cut_page(text, site, deadline)

    with mock.patch.object(lines_module, "take_marks", line), mock.patch.object(clean_module, "cut", cut):
        for text in texts:
            clean(text, site)
    return lines / sum(map(len, texts)), pages / len(texts)


if __name__ == "__main__":
    main()
