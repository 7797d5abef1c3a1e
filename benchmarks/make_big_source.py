"""Make a source of any size from a dump or Parquet, as Parquet or multistream: for runs of 1, 10 or 100 GB.

    python -m benchmarks.make_big_source --source corpus/wiki.xml.bz2 --bytes 1e9 --output /tmp/big.parquet
    python -m benchmarks.make_big_source --source corpus/wiki.xml.bz2 --bytes 1e9 --output /tmp/big-multistream.xml.bz2

The articles of the source come again and again, each time under a new id and title, with some of their paragraphs in
another order, and with the names that only one article has spelt in another way: a tokenizer that remembers words meets
new ones all the time, as in real text. The same arguments give the same bytes. `--bytes` counts text (Parquet) or XML.
"""

import argparse
import bz2
import itertools
import random
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.articles import Article
from pipeline.settings import SourceSettings
from pipeline.source import open_source
from pipeline.unit import cleaner_of

ROWS_PER_GROUP, PAGES_PER_STREAM = 1000, 100  # as on the hub, and as in Wikipedia's own dumps
NAME = re.compile(r"(?<![A-Za-z])([A-Z][a-z]{3,})(?![A-Za-z])")
ONE_NAME_IN = 4  # of those that one article alone has: about 1 % of all words, as in Wikipedia from 1 GB on
SHORTNESS = 6  # most articles are short: of the long ones of a sample, about 4 KB are left on average
VOWELS, CONSONANTS = "aeiou", "bcdfghklmnprstvw"
HEADER = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">
  <siteinfo>
    <sitename>Big</sitename>
    <dbname>bigwiki</dbname>
    <base>https://big.example.org/wiki/Main_Page</base>
    <namespaces>
      <namespace key="0" case="first-letter" />
      <namespace key="6" case="first-letter">File</namespace>
      <namespace key="10" case="first-letter">Template</namespace>
      <namespace key="14" case="first-letter">Category</namespace>
    </namespaces>
  </siteinfo>
"""
Paragraph = list[str]  # text and names by turns


def base_articles(path: str, wikitext: bool) -> list[list[Paragraph]]:
    """The articles of a source, by paragraph, as they are stored or as prose."""
    source = open_source(SourceSettings(path=path, unit_bytes=1 << 24))
    pages = itertools.chain.from_iterable(unit.pages(source.site) for unit in source.units)
    articles = (page for page in pages if isinstance(page, Article))
    cleaner = cleaner_of(source)
    texts = [a.text if wikitext else str(cleaner.prose(a)) for a in articles]
    frequency = Counter(name for text in texts for name in set(NAME.findall(text)))
    rare = {name for name, n in frequency.items() if n == 1 and zlib.crc32(name.encode()) % ONE_NAME_IN == 0}
    return [[_by_turns(paragraph, rare) for paragraph in text.split("\n\n")] for text in texts if text.strip()]


def _by_turns(paragraph: str, rare: set[str]) -> Paragraph:
    pieces = [""]
    for number, piece in enumerate(NAME.split(paragraph)):
        if number % 2 and piece in rare:
            pieces += [piece, ""]
        else:
            pieces[-1] += piece
    return pieces


def article(bases: Sequence[list[Paragraph]], number: int, seed: int) -> str:
    """The text of an article: a pure function of its number."""
    drawn = random.Random(f"{seed}:{number}")  # noqa: S311 - no secret
    paragraphs = list(bases[number % len(bases)])
    drawn.shuffle(paragraphs)
    del paragraphs[1 + int(len(paragraphs) * drawn.random() ** SHORTNESS) :]
    spelling = str.maketrans(
        VOWELS + CONSONANTS, "".join(drawn.sample(VOWELS, len(VOWELS)) + drawn.sample(CONSONANTS, len(CONSONANTS)))
    )
    return "\n\n".join(
        "".join(piece.translate(spelling) if turn % 2 else piece for turn, piece in enumerate(pieces))
        for pieces in paragraphs
    )


def write_parquet(path: Path, texts: Iterator[str], size: int) -> int:
    """Write a Parquet file with columns id, url, title, text; returns the bytes of text in it."""
    schema = pa.schema([(name, pa.string()) for name in ("id", "url", "title", "text")])
    done, number = 0, 0
    with pq.ParquetWriter(path, schema) as writer:
        while done < size:
            group: list[str] = []
            while len(group) < ROWS_PER_GROUP and done < size:
                group.append(next(texts))
                done += len(group[-1].encode())
            ids = range(number + 1, number + 1 + len(group))
            number += len(group)
            titles = [f"Article {n}" for n in ids]
            urls = [f"https://big.example.org/wiki/Article_{n}" for n in ids]
            writer.write_table(pa.table([[str(n) for n in ids], urls, titles, group], schema=schema))
    return done


def write_dump(path: Path, texts: Iterator[str], size: int) -> int:
    """Write a multistream dump and its index beside it; returns the bytes of XML in it."""
    done, number, offset = 0, 0, 0
    with path.open("wb") as file, bz2.open(index_of(path), "wt", encoding="utf-8") as index:
        offset += file.write(bz2.compress(HEADER.encode()))
        while done < size:
            stream: list[str] = []
            while len(stream) < PAGES_PER_STREAM and done < size:
                number += 1
                index.write(f"{offset}:{number}:Article {number}\n")
                stream.append(_page(number, next(texts)))
                done += len(stream[-1].encode())
            offset += file.write(bz2.compress("".join(stream).encode()))
        file.write(bz2.compress(b"</mediawiki>\n"))
    return done


def index_of(path: Path) -> Path:
    """Where the index of a multistream dump lies."""
    return path.with_name(path.name.removesuffix(".xml.bz2") + "-index.txt.bz2")


def _page(number: int, text: str) -> str:
    return (
        f"  <page>\n    <title>Article {number}</title>\n    <ns>0</ns>\n    <id>{number}</id>\n    <revision>\n"
        f"      <id>{number}</id>\n      <timestamp>2024-01-01T00:00:00Z</timestamp>\n      <model>wikitext</model>\n"
        f'      <format>text/x-wiki</format>\n      <text xml:space="preserve">{escape(text)}</text>\n'
        "    </revision>\n  </page>\n"
    )


def make(source: str, output: Path, size: int, seed: int = 0) -> int:
    """Make a source of `size` bytes of text or XML; what `output` is called says which. Returns the bytes made."""
    wikitext = output.name.endswith(".xml.bz2")
    bases = base_articles(source, wikitext)
    texts = (article(bases, number, seed) for number in itertools.count())
    return write_dump(output, texts, size) if wikitext else write_parquet(output, texts, size)


def main() -> None:
    """The command `python -m benchmarks.make_big_source`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", required=True, help="what to make it from: a dump or Parquet of some megabytes")
    parser.add_argument("--output", type=Path, required=True, help="NAME.parquet or NAME-multistream.xml.bz2")
    parser.add_argument("--bytes", type=float, default=1e8, help="of text (Parquet) or of XML (dump); 1e9 is a GB")
    parser.add_argument("--seed", type=int, default=0, help="for another order and other names")
    args = parser.parse_args()
    if not args.output.name.endswith((".parquet", "-multistream.xml.bz2")):
        parser.error("--output must be called NAME.parquet or NAME-multistream.xml.bz2")
    print(f"{make(args.source, args.output, int(args.bytes), args.seed)} bytes in {args.output}")


if __name__ == "__main__":
    main()
