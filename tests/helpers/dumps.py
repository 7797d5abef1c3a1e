"""Write pages as a MediaWiki dump: multistream with its index, as dumps are served, or any other storage."""

import bz2
import gzip
import lzma
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NAMESPACES: dict[int, str] = {
    -2: "Media", -1: "Special", 0: "", 1: "Talk", 2: "User", 3: "User talk", 4: "Miniwiki", 5: "Miniwiki talk",
    6: "File", 7: "File talk", 8: "MediaWiki", 10: "Template", 12: "Help", 14: "Category", 15: "Category talk",
}  # fmt: skip
FOOTER = b"</mediawiki>\n"


@dataclass(frozen=True)
class Page:
    """One page; `raw` stands in for its whole XML where a test wants it broken."""

    id: int
    title: str
    text: str = ""
    ns: int = 0
    redirect: str | None = None
    revision: int = 0
    model: str = "wikitext"
    raw: str | None = None

    def xml(self) -> str:
        if self.raw is not None:
            return self.raw
        redirect = f"    <redirect title={quoteattr(self.redirect)} />\n" if self.redirect is not None else ""
        return (
            f"  <page>\n    <title>{escape(self.title)}</title>\n    <ns>{self.ns}</ns>\n    <id>{self.id}</id>\n"
            f"{redirect}    <revision>\n      <id>{self.revision or self.id + 1000}</id>\n"
            "      <timestamp>2024-01-01T00:00:00Z</timestamp>\n"
            f"      <contributor>\n        <username>A</username>\n        <id>7</id>\n      </contributor>\n"
            f"      <model>{self.model}</model>\n      <format>text/x-wiki</format>\n"
            f'      <text bytes="{len(self.text.encode())}" xml:space="preserve">{escape(self.text)}</text>\n'
            "    </revision>\n  </page>\n"
        )


def header(
    namespaces: Mapping[int, str] = NAMESPACES,
    language: str = "en",
    database: str = "miniwiki",
    base: str = "http://example.org/wiki/Main_Page",
) -> bytes:
    """The header stream: the root element and siteinfo."""
    names = "".join(
        f'      <namespace key="{key}" case="first-letter"{">" + escape(name) + "</namespace>" if name else " />"}\n'
        for key, name in namespaces.items()
    )
    return (
        '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" version="0.11" '
        f'xml:lang="{language}">\n  <siteinfo>\n    <sitename>Miniwiki</sitename>\n    <dbname>{database}</dbname>\n'
        f"    <base>{base}</base>\n    <generator>MediaWiki 1.42.0</generator>\n"
        f"    <case>first-letter</case>\n    <namespaces>\n{names}    </namespaces>\n  </siteinfo>\n"
    ).encode()


def make_dump(
    path: Path,
    pages: Sequence[Page],
    namespaces: Mapping[int, str] = NAMESPACES,
    pages_per_stream: int = 2,
    language: str = "en",
    database: str = "miniwiki",
    base: str = "http://example.org/wiki/Main_Page",
) -> Path:
    """Write `path`, stored as its name says; `*-multistream.xml.bz2` gets its index beside it. Returns `path`."""
    head = header(namespaces, language, database, base)
    if not path.name.endswith("-multistream.xml.bz2"):
        data = head + "".join(page.xml() for page in pages).encode() + FOOTER
        pack = {
            ".bz2": bz2.compress,
            ".gz": lambda data: gzip.compress(data, mtime=0),
            ".xz": lzma.compress,
            ".zst": zstd.compress,
        }
        path.write_bytes(pack.get(path.suffix, bytes)(data))
        return path
    stored, index = bz2.compress(head), []
    for first in range(0, len(pages), pages_per_stream):
        some = pages[first : first + pages_per_stream]
        index += [f"{len(stored)}:{page.id}:{escape(page.title)}\n" for page in some]
        stored += bz2.compress("".join(page.xml() for page in some).encode())
    path.write_bytes(stored + bz2.compress(FOOTER))
    index_of(path).write_bytes(bz2.compress("".join(index).encode()))
    return path


def index_of(path: Path) -> Path:
    """Where the index of a multistream dump lies."""
    return path.with_name(path.name.removesuffix(".xml.bz2") + "-index.txt.bz2")


def read_index(path: Path) -> list[str]:
    """The lines of a dump's index."""
    return bz2.decompress(index_of(path).read_bytes()).decode().splitlines()


def write_index(path: Path, lines: Sequence[str]) -> None:
    """Replace a dump's index."""
    index_of(path).write_bytes(bz2.compress("".join(line + "\n" for line in lines).encode()))


def revision(number: int, timestamp: str, text: str) -> str:
    """The XML of one revision of a page."""
    return f"<revision><id>{number}</id><timestamp>{timestamp}</timestamp><text>{text}</text></revision>"


def history(*revisions: str) -> str:
    """The XML of page 5, "T", with several revisions."""
    return f"<page><title>T</title><ns>0</ns><id>5</id>{''.join(revisions)}</page>"
