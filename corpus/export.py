"""Write pages as a multistream dump with its index, in MediaWiki's export format 0.11.

    bz2 stream: <mediawiki> <siteinfo>     bz2 stream: N pages     ...     bz2 stream: </mediawiki>

Element order, indentation and escaping follow what MediaWiki writes (its `XmlDumpWriter`, and real dumps of 2016 to
2023). Everything is a pure function of the pages: no clock, no name of a person or machine.
"""

import bz2
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from string import digits

from corpus.page import NAMESPACES, Page

SCHEMA = "0.11"
SITE_NAME, DATABASE, LANGUAGE = "Miniwiki", "miniwiki", "en"
BASE = "https://example.org/wiki/Main_Page"
TIMESTAMP = "2026-01-01T00:00:00Z"
CONTRIBUTOR, CONTRIBUTOR_ID = "Miniwiki editor", 7
# Revisions have numbers that no page has, so that a reader that takes the one for the other is found out.
FIRST_REVISION = 1_000_000
MODELS = {828: ("Scribunto", "text/plain")}  # namespaces that hold no wikitext: modules are Lua
BASE_36 = digits + "abcdefghijklmnopqrstuvwxyz"
SHA1_DIGITS = 31  # 160 bits in base 36


@dataclass(frozen=True)
class Dump:
    """The two files of a multistream dump.

    Attributes:
        xml: bz2 streams, one after the other; as a whole it is a bz2 file of one XML document.
        index: bz2 of lines `byte offset of a stream in xml:page id:title`, titles without XML escapes.
        streams: number of streams that hold pages.
    """

    xml: bytes
    index: bytes
    streams: int


def pack(pages: Sequence[Page], pages_per_stream: int) -> Dump:
    """Pack pages, in the order given, into a dump."""
    xml = bytearray(_compress(header()))
    lines: list[str] = []
    starts = range(0, len(pages), pages_per_stream)
    for start in starts:
        run = pages[start : start + pages_per_stream]
        lines += [f"{len(xml)}:{page.page_id}:{page.title}\n" for page in run]
        xml += _compress("".join(page_element(page) for page in run))
    xml += _compress("</mediawiki>\n")
    return Dump(xml=bytes(xml), index=_compress("".join(lines)), streams=len(starts))


def header() -> str:
    """Return what stands before the first page: the root element's start tag and `siteinfo`."""
    schema = f"http://www.mediawiki.org/xml/export-{SCHEMA}"
    # As in MediaWiki, which has no name for the namespace of articles and writes it as an empty element.
    namespaces = "".join(
        f'      <namespace key="{key}" case="first-letter"{f">{text(name)}</namespace>" if name else " />"}\n'
        for key, name in NAMESPACES.items()
    )
    return (
        f'<mediawiki xmlns="{schema}/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        f' xsi:schemaLocation="{schema}/ {schema}.xsd" version="{SCHEMA}" xml:lang="{LANGUAGE}">\n'
        "  <siteinfo>\n"
        f"    <sitename>{SITE_NAME}</sitename>\n"
        f"    <dbname>{DATABASE}</dbname>\n"
        f"    <base>{BASE}</base>\n"
        "    <generator>wikilm corpus.build</generator>\n"
        "    <case>first-letter</case>\n"
        f"    <namespaces>\n{namespaces}    </namespaces>\n"
        "  </siteinfo>\n"
    )


def page_element(page: Page) -> str:
    """One `<page>` with its one revision, indented as in real dumps."""
    redirect = f'    <redirect title="{attribute(page.redirect)}" />\n' if page.redirect is not None else ""
    revision = FIRST_REVISION + 2 * page.page_id
    model, format_ = MODELS.get(page.namespace, ("wikitext", "text/x-wiki"))
    digest = sha1_base36(page.text)
    open_text = f'<text bytes="{len(page.text.encode())}" sha1="{digest}" xml:space="preserve"'
    body = f"{open_text}>{text(page.text)}</text>" if page.text else f"{open_text} />"
    return (
        "  <page>\n"
        f"    <title>{text(page.title)}</title>\n"
        f"    <ns>{page.namespace}</ns>\n"
        f"    <id>{page.page_id}</id>\n"
        f"{redirect}"
        "    <revision>\n"
        f"      <id>{revision}</id>\n"
        f"      <parentid>{revision - 1}</parentid>\n"
        f"      <timestamp>{TIMESTAMP}</timestamp>\n"
        "      <contributor>\n"
        f"        <username>{CONTRIBUTOR}</username>\n"
        f"        <id>{CONTRIBUTOR_ID}</id>\n"
        "      </contributor>\n"
        "      <comment>copy edit</comment>\n"
        f"      <origin>{revision}</origin>\n"
        f"      <model>{model}</model>\n"
        f"      <format>{format_}</format>\n"
        f"      {body}\n"
        f"      <sha1>{digest}</sha1>\n"
        "    </revision>\n"
        "  </page>\n"
    )


def sha1_base36(content: str) -> str:
    """Compute the sha1 of a revision as MediaWiki does: of its UTF-8 bytes, in base 36, padded to 31 digits."""
    number = int(hashlib.sha1(content.encode(), usedforsecurity=False).hexdigest(), 16)
    places = []
    for _ in range(SHA1_DIGITS):
        number, place = divmod(number, 36)
        places.append(BASE_36[place])
    return "".join(reversed(places))


def text(content: str) -> str:
    """Escape character data as MediaWiki does: quotes too, apostrophes not."""
    return content.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def attribute(content: str) -> str:
    """Escape an attribute's value as MediaWiki does: like character data, and apostrophes by number."""
    return text(content).replace("'", "&#039;")


def _compress(content: str) -> bytes:
    """One bz2 stream, with the largest blocks, as dumps have them."""
    return bz2.compress(content.encode(), compresslevel=9)
