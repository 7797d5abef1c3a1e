"""One article of a source in, its way through the pipeline out, side by side: raw, clean, tokens, chunks.

Examples:
  python -m pipeline.show --source enwiki-20160501-pages-articles-multistream.xml.bz2 --title Anarchism | less
  python -m pipeline.show --page-id 12 --tokenizer data/tokenizer

With a multistream dump only the bz2 stream that holds the article is read.
"""

import difflib
import itertools
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline import dump
from pipeline.article import Article, DeadLetter, Dropped
from pipeline.chunk import Ids, chunk
from pipeline.clean_text import text_of
from pipeline.command import Parser, RunError, run
from pipeline.encoder import Encoder
from pipeline.files import locate
from pipeline.flags import add_params, add_source, source_settings
from pipeline.index import index_name, read_index
from pipeline.params import section
from pipeline.settings import ShardsSettings, SourceSettings
from pipeline.site import Site
from pipeline.source import kind_of, open_source, read_unit

PROGRAM = "python -m pipeline.show"
DEFAULT_TOKENIZER = Path("data/tokenizer")
MANY_TITLES = 100_000  # after so many, only those that begin alike are kept to look for near ones
Page = Article | Dropped | DeadLetter


@dataclass(frozen=True)
class Found:
    """An article, and what it takes to clean it."""

    article: Article
    site: Site
    is_wikitext: bool


def find(source: SourceSettings, title: str | None, page_id: int | None) -> Found:
    """Look an article up by its title, or else by its page id.

    Raises:
        RunError: the source has no such page (near titles are named), or the page is no article, or cannot be read.
    """
    path = locate(source.path)
    site, is_wikitext, pages = _indexed(path, title, page_id) if kind_of(path) == "multistream" else _all(source)
    titles = _Titles(title or "")
    for page in pages:
        if page.title == title if title is not None else page.page_id == page_id:
            if isinstance(page, Article):
                return Found(page, site, is_wikitext)
            why = page.error if isinstance(page, DeadLetter) else f"it is left out ({page.reason})"
            raise RunError(f"{source.path}: {visible(page.title)!r} is no article: {why}; name another one")
        titles.add(page.title)
    if title is None:
        raise RunError(f"{source.path}: has no page with id {page_id}; name another --page-id, or a --title")
    raise RunError(f"{source.path}: has no page {visible(title)!r}; {near(title, titles.kept)}")


class _Titles:
    """Titles that a user may have meant; bounded, however many pages a source has."""

    def __init__(self, title: str) -> None:
        self._start, self.kept = title[:3].casefold(), list[str]()

    def add(self, title: str) -> None:
        if len(self.kept) < MANY_TITLES or title[:3].casefold() == self._start:
            self.kept.append(title)


def near(title: str, titles: Iterable[str]) -> str:
    """What else a user may have meant."""
    by_key = {other.casefold(): other for other in titles}
    close = [by_key[key] for key in difflib.get_close_matches(title.casefold(), by_key, n=3)]
    if not close:
        return "it has none with a title like that either"
    return "did you mean " + ", ".join(repr(visible(other)) for other in close) + "?"


def _indexed(path: str, title: str | None, page_id: int | None) -> tuple[Site, bool, Iterator[Page]]:
    """The pages of the one stream that has the page, or else titles only: those of the index."""
    site, parts = dump.plan_multistream(path, unit_bytes=1)
    index = index_name(path) or ""
    for line in read_index(index):
        if line.title == title if title is not None else line.page_id == page_id:
            streams = (part for some in parts for part in some if part.run.start <= line.offset < part.run.end)
            return site, True, itertools.chain.from_iterable(dump.read(part, site) for part in streams)
    return site, True, (Dropped(line.page_id, line.title, "not looked at") for line in read_index(index))


def _all(source: SourceSettings) -> tuple[Site, bool, Iterator[Page]]:
    opened = open_source(source)
    pages = itertools.chain.from_iterable(read_unit(unit, opened.site) for unit in opened.units)
    return opened.site, opened.is_wikitext, pages


def visible(text: str) -> str:
    """Text that can do nothing to a terminal: characters that control it, or turn or break lines, are shown as signs.

    An article may hold escape sequences, and marks that turn the direction of all that follows.
    """
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    kind = unicodedata.category(character)
    if kind == "Cc":
        return chr(0x2400 + ord(character)) if ord(character) < 0x20 else "�"
    turns = character in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    return "�" if turns or kind in ("Cs", "Zl", "Zp", "Cn", "Co") else character


def cells(character: str) -> int:
    """How many columns of a terminal a character takes: 0, 1 or 2."""
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns, each filled up to it; broken at spaces where there are any."""
    lines = []
    for paragraph in text.expandtabs(4).split("\n"):
        line, used, space = "", 0, -1
        for character in visible(paragraph):
            if used + cells(character) > width:
                cut = space + 1 if space > 0 else len(line)
                lines.append(line[:cut])
                line = line[cut:]
                used, space = sum(map(cells, line)), -1
            if character == " ":
                space = len(line)
            line, used = line + character, used + cells(character)
        lines.append(line)
    return [line + " " * (width - sum(map(cells, line))) for line in lines]


def side_by_side(columns: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    """Columns of (heading, text) as the lines of a terminal `width` wide."""
    each = max(8, (width - 3 * (len(columns) - 1)) // len(columns))
    heads = [wrap(heading, each) for heading, _ in columns]
    height = max(map(len, heads))
    heads = [[" " * each] * (height - len(head)) + head for head in heads]
    texts = [[*head, "─" * each, *wrap(text, each)] for head, (_, text) in zip(heads, columns, strict=True)]
    for lines in itertools.zip_longest(*texts, fillvalue=" " * each):
        yield " │ ".join(lines).rstrip()


def columns_of(found: Found, encoder: Encoder | None, shards: ShardsSettings) -> list[tuple[str, str]]:
    """Raw and clean text, and with a tokenizer also tokens and chunks, each under its heading."""
    article = found.article
    text = text_of(article, found.site, is_wikitext=found.is_wikitext)
    columns = [
        (f"raw: {len(article.text.encode()):,} bytes", article.text),
        (f"clean: {len(text.encode()):,} bytes", text),
    ]
    if encoder is None:
        return columns
    [ids] = encoder.encode_batch([text])
    pieces = "|".join(encoder.decode([token]).replace(" ", "·").replace("\n", "⏎") for token in ids)
    return [*columns, (f"tokens: {len(ids):,}", pieces), _chunks(article.page_id, ids, encoder, shards)]


def _chunks(page_id: int, ids: Ids, encoder: Encoder, shards: ShardsSettings) -> tuple[str, str]:
    rows = chunk([(page_id, ids)], shards.chunking, shards.chunk_tokens, encoder.end_of_text_id)
    heading = f"chunks: {len(rows.input_ids)} of {shards.chunk_tokens}, {rows.tail_tokens} tokens left over"
    texts = [f"[{number}] " + " ".join(map(str, row)) for number, row in enumerate(rows.input_ids)]
    return heading, "\n".join(texts)


def main(argv: Sequence[str] | None = None) -> None:
    """The command `python -m pipeline.show`."""
    parser = Parser(prog=PROGRAM, description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--title", help="the article's title, as it is written above it")
    which.add_argument("--page-id", type=int, metavar="N", help="the article's page id")
    parser.add_argument(
        "--tokenizer", type=Path, metavar="DIR", help=f"show tokens and chunks too; {DEFAULT_TOKENIZER} if it is there"
    )
    add_source(parser)
    add_params(parser)
    args = parser.parse_args(argv)
    shards = section(args.params, "shards", ShardsSettings)
    folder = args.tokenizer or (DEFAULT_TOKENIZER if DEFAULT_TOKENIZER.is_dir() else None)
    encoder = Encoder(folder) if folder is not None else None
    found = find(source_settings(args), args.title, args.page_id)
    article = found.article
    print(f"{visible(article.title)} (page {article.page_id}, revision {article.revision_id})\n")
    for line in side_by_side(columns_of(found, encoder, shards), shutil.get_terminal_size((120, 24)).columns):
        print(line)
    if encoder is None:
        print(
            "\nno tokenizer yet: make one with python -m pipeline.tokenizer to see tokens and chunks", file=sys.stderr
        )


if __name__ == "__main__":
    sys.exit(run(main, PROGRAM))
