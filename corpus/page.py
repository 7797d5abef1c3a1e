"""Read and check the pages of the bundled corpus: wikitext files with a short header, in the order of their ids.

id: 801
title: Côte d’Ivoire
redirect: Ivory Coast        (only where the page is a redirect)
ns: 10                       (only outside the namespace of articles; the title keeps its prefix)

wikitext, from here to the end of the file
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from wikilm.errors import RunError

# Numbers and English names as every MediaWiki has them; 4 and 5 bear the name of the site.
NAMESPACES = {
    -2: "Media",
    -1: "Special",
    0: "",
    1: "Talk",
    2: "User",
    3: "User talk",
    4: "Miniwiki",
    5: "Miniwiki talk",
    6: "File",
    7: "File talk",
    8: "MediaWiki",
    9: "MediaWiki talk",
    10: "Template",
    11: "Template talk",
    12: "Help",
    13: "Help talk",
    14: "Category",
    15: "Category talk",
    100: "Portal",
    101: "Portal talk",
    828: "Module",
    829: "Module talk",
}
HEADER_KEYS = ("id", "title", "ns", "redirect")
TITLE_BYTES = 255  # what MediaWiki's page table holds
NOT_IN_TITLES = re.compile(r"[#<>\[\]{}|_\x00-\x1f\x7f]|^[ :/]| $|  |&\w+;|%[0-9A-Fa-f]{2}")
NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
REDIRECT = re.compile(r"#REDIRECT\s*:?\s*\[\[([^\[\]|]+)(?:\|[^\[\]]*)?\]\]", re.IGNORECASE)


@dataclass(frozen=True)
class Page:
    """One page, as the site would store it.

    Attributes:
        page_id: its number, unique in the corpus.
        title: full title, namespace prefix included, in text form (spaces, not underscores).
        namespace: number of its namespace; 0 holds the articles, the redirects and the disambiguation pages.
        redirect: full title that the page sends its reader to, or None.
        text: wikitext, without white space at its end, which MediaWiki strips too.
        source: the file it was read from, for messages.
    """

    page_id: int
    title: str
    namespace: int
    redirect: str | None
    text: str
    source: Path


def read_pages(folder: Path) -> list[Page]:
    """Read every `*.wikitext` below `folder`.

    Returns:
        The pages, sorted by id, as dumps are.

    Raises:
        RunError: no pages, or one that is not as it must be: one line that names the file.
    """
    files = sorted(folder.rglob("*.wikitext"))
    if not files:
        raise RunError(f"{folder}: no .wikitext files here; name the folder of the pages with --pages")
    pages = sorted((parse_page(_read(file), file) for file in files), key=lambda page: page.page_id)
    _check_together(pages)
    return pages


def parse_page(content: str, source: Path) -> Page:
    """Take one file's content apart.

    Raises:
        RunError: a header line is missing, unknown, repeated or wrong, or the text is none that a dump can hold.
    """
    head, _, text = content.partition("\n\n")
    header = _header(head, source)
    for key in ("id", "title"):
        if key not in header:
            raise RunError(
                f"{source}: the header has no '{key}:' line; start the file with id:, title: and a blank line"
            )
    text = text.strip("\n").rstrip()
    if bad := NOT_IN_XML.search(text):
        raise RunError(f"{source}: the text holds U+{ord(bad[0]):04X}, which XML cannot; remove it")
    namespace = _number(header.get("ns", "0"), "ns", source)
    page = Page(
        page_id=_number(header["id"], "id", source),
        title=header["title"],
        namespace=namespace,
        redirect=header.get("redirect"),
        text=text,
        source=source,
    )
    _check_alone(page)
    return page


def _read(file: Path) -> str:
    """Return the content of one file, as strict UTF-8 with line feeds only."""
    try:
        # Bytes, not text mode: that would turn carriage returns into line feeds, and a page would depend on the editor.
        content = file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise RunError(f"{file}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except OSError as error:
        raise RunError(f"{file}: cannot read it: {error.strerror}") from None
    if "\r" in content:
        raise RunError(f"{file}: holds carriage returns; save it with line feeds only")
    return content


def _header(head: str, source: Path) -> dict[str, str]:
    """Return the header's keys and values."""
    header: dict[str, str] = {}
    for number, line in enumerate(head.splitlines(), start=1):
        key, colon, value = line.partition(":")
        if not colon or key not in HEADER_KEYS:
            near = difflib.get_close_matches(key.strip().lower(), HEADER_KEYS, n=1) if colon else []
            hint = f"did you mean '{near[0]}:'?" if near else "a blank line must end the header"
            raise RunError(f"{source}:{number}: no header line: {line[:60]!r}; {hint}")
        if key in header or not value.strip():
            raise RunError(f"{source}:{number}: '{key}:' is {'there twice' if key in header else 'empty'}")
        header[key] = value.strip()
    return header


def _number(value: str, key: str, source: Path) -> int:
    """Return a header value that must be a whole number, from 1 up for ids."""
    if not re.fullmatch(r"[0-9]{1,9}", value) or (key == "id" and int(value) == 0):
        raise RunError(f"{source}: '{key}: {value}' is no number that a page can have")
    return int(value)


def _check_alone(page: Page) -> None:
    """Refuse a title that MediaWiki would refuse, a namespace that does not fit it, and a redirect that is none."""
    if problem := _title_problem(page.title):
        raise RunError(f"{page.source}: title {page.title!r} {problem}")
    if page.namespace not in NAMESPACES:
        raise RunError(f"{page.source}: 'ns: {page.namespace}' is no namespace of this site (see corpus/page.py)")
    prefix, colon, rest = page.title.partition(":")
    known = {name: number for number, name in NAMESPACES.items() if name}
    actual = known.get(prefix, 0) if colon else 0
    if colon and prefix not in known and rest[:1] != " ":  # "Dune: a desert" is a title like any other
        raise RunError(f"{page.source}: title {page.title!r} has an unknown namespace prefix '{prefix}:'")
    if actual != page.namespace:
        raise RunError(
            f"{page.source}: title {page.title!r} is of namespace {actual}, the header says {page.namespace}"
        )
    found = REDIRECT.match(page.text)
    target = found[1].partition("#")[0].strip() if found else None  # a redirect may go to a section
    if target != page.redirect:
        raise RunError(f"{page.source}: the header says redirect to {page.redirect!r}, the text to {target!r}")


def _title_problem(title: str) -> str | None:
    """Find what is wrong with a title by the rules of MediaWiki's `Title`: first letter upper case, 255 bytes, ..."""
    _, _, name = title.rpartition(":")
    if bad := NOT_IN_TITLES.search(title):
        return f"holds {bad[0]!r}, which no title may"
    if unicodedata.normalize("NFC", title) != title:
        return "is not in Unicode normalisation form C"
    if len(title.encode()) > TITLE_BYTES:
        return f"has more than {TITLE_BYTES} bytes"
    if not name or any(part[:1] != _upper(part[:1]) for part in (title, name)):
        return "must start with an upper-case letter"
    return None


def _upper(letter: str) -> str:
    """Return the letter in upper case, where that is one letter (MediaWiki leaves "ß" as it is)."""
    return letter.upper() if len(letter.upper()) == 1 else letter


def _check_together(pages: Iterable[Page]) -> None:
    """Refuse an id or a title that two pages have, and a redirect that leads nowhere."""
    by_id: dict[int, Page] = {}
    by_title: dict[str, Page] = {}
    for page in pages:
        for what, other in (
            (f"id {page.page_id}", by_id.get(page.page_id)),
            (repr(page.title), by_title.get(page.title)),
        ):
            if other:
                raise RunError(f"{page.source}: {what} is taken by {other.source}; every page needs its own")
        by_id[page.page_id] = by_title[page.title] = page
    for page in by_id.values():
        if page.redirect is not None and page.redirect not in by_title:
            raise RunError(f"{page.source}: redirect to {page.redirect!r}, and there is no such page")
