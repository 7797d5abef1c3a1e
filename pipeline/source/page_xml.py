"""Read the XML of one page, and the header of a dump, which says whose wiki it is."""

import contextlib
import re
from collections.abc import Sequence
from typing import Any

from lxml import etree

from pipeline.articles import MAX_ID, REDIRECT, Article, DeadLetter, Dropped, Page, Site, page_base
from pipeline.source.redirects import is_redirect
from pipeline.source.rows import timestamp_of

_ID = re.compile(rb"<id>([0-9]{1,19})</id>")

_TITLE = re.compile(rb"<title>([^<]{1,1000})</title>")


def read_page(xml: bytes, where: str, site: Site) -> Page:
    """Read one `<page>` element.

    Args:
        xml: from `<page>` to `</page>`, UTF-8.
        where: file name and byte offset, for a dead letter.
        site: whose page it is; names the namespace where old dumps leave out `<ns>`.
    """
    try:
        return _read(xml, where, site)
    except (ValueError, etree.XMLSyntaxError) as error:
        return dead_letter(xml, where, " ".join(str(error).split()))


def dead_letter(xml: bytes, where: str, error: str) -> DeadLetter:
    """Make a dead letter for what may be a page, with the id and title that can still be found."""
    head = xml.partition(b"<revision")[0]  # what follows has ids of its own
    page_id, title = _ID.search(head), _TITLE.search(head)
    known = int(page_id[1]) if page_id else None
    return DeadLetter(
        known if known is not None and known <= MAX_ID else None,
        title[1].decode("utf-8", "replace") if title else "",
        where,
        error,
    )


def _read(xml: bytes, where: str, site: Site) -> Article | Dropped:
    # The caller bounds the size of a page, so libxml2's own limit of 10 MB a text may go; entities cannot be declared
    # inside an element, so none but XML's own five exist here.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True, encoding="utf-8")
    page = etree.fromstring(xml, parser)
    title = (page.findtext("{*}title") or "").strip()
    if not title:
        raise ValueError("the page has no title")
    page_id = _number(page.findtext("{*}id"), "page id")
    namespace = _namespace(page.findtext("{*}ns"), title, site)
    if namespace not in site.content:
        return Dropped(page_id, title, f"namespace:{namespace}")
    revisions = page.findall("{*}revision")
    if page.find("{*}redirect") is not None:
        return Dropped(page_id, title, REDIRECT, _newest(revisions)[1] if revisions else 0)
    if not revisions:
        raise ValueError("the page has no revision")
    revision, timestamp = _newest(revisions)
    model = (revision.findtext("{*}model") or "wikitext").strip()
    if model != "wikitext":
        return Dropped(page_id, title, f"model:{model if re.fullmatch('[a-zA-Z0-9./-]{1,40}', model) else 'other'}")
    text = revision.findtext("{*}text") or ""
    if is_redirect(text):  # exports before schema 0.4 have no element for it
        return Dropped(page_id, title, REDIRECT, timestamp)
    revision_id = _number(revision.findtext("{*}id") or "0", "revision id")  # some programs write none
    return Article(page_id, revision_id, title, text, where, timestamp)


def _newest(revisions: Sequence[Any]) -> tuple[Any, int]:
    """Return the revision with the latest timestamp, and that one as a number; the order in a file may be any."""
    stamped = [(_timestamp(revision.findtext("{*}timestamp") or ""), revision) for revision in revisions]
    timestamp, revision = max(reversed(stamped), key=lambda pair: pair[0])
    return revision, timestamp


def _timestamp(text: str) -> int:
    """Parse 2024-01-31T23:59:59Z into 20240131235959, of UTC; 0 is no timestamp."""
    digits = re.sub("[^0-9]", "", text)
    if len(digits) == 14:  # all that MediaWiki writes
        return int(digits)
    with contextlib.suppress(ValueError):
        return timestamp_of(text.strip())
    return 0


def _number(text: str | None, what: str) -> int:
    if text is None:
        raise ValueError(f"the page has no {what}")
    digits = text.strip()
    if not re.fullmatch("[0-9]{1,19}", digits) or int(digits) > MAX_ID:
        raise ValueError(f"the {what} is {digits[:40]!r}, not a whole number of 63 bits, from 0 up")
    return int(digits)


def _namespace(text: str | None, title: str, site: Site) -> int:
    if text is None:
        prefix, colon, _ = title.partition(":")
        return (site.namespace_of(prefix) or 0) if colon else 0
    if not re.fullmatch(r"-?[0-9]{1,5}", text.strip()):
        raise ValueError(f"the namespace is {text.strip()[:40]!r}, not a number")
    return int(text)


def parse_header(xml: bytes) -> Site:
    """Read what stands before the first `<page>` of a dump.

    Raises:
        ValueError: this is no MediaWiki dump; the message says why.
    """
    if b"\0" in xml:
        raise ValueError("it is not UTF-8 (perhaps UTF-16); convert it: iconv -f UTF-16 -t UTF-8")
    if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml:
        raise ValueError("it declares a document type, which no dump does")
    # A header alone is no whole document: a pull parser builds what there is of its tree.
    parser = etree.XMLPullParser(events=("start",), resolve_entities=False, no_network=True, load_dtd=False)
    try:
        parser.feed(xml)
        root = next((item for _, item in parser.read_events() if isinstance(item, etree._Element)), None)
    except etree.XMLSyntaxError as error:
        raise ValueError(f"it is not XML: {error}") from None
    if root is None or etree.QName(root).localname != "mediawiki":
        raise ValueError("its root element is not <mediawiki>")
    found: dict[str, str] = {}
    namespaces = []
    for element in root.iter("{*}sitename", "{*}dbname", "{*}base", "{*}namespace"):
        text, tag = (element.text or "").strip(), etree.QName(element).localname
        if tag == "namespace":
            namespaces.append((_namespace_id(element.get("key")), text))
        else:
            found[tag] = text
    language = root.get("{http://www.w3.org/XML/1998/namespace}lang")
    name, database, base = (found.get(tag, "") for tag in ("sitename", "dbname", "base"))
    return Site(language or None, name, database, tuple(namespaces), page_base(base))


def _namespace_id(key: str | None) -> int:
    try:
        return int(key or "")
    except ValueError:
        raise ValueError(f"its siteinfo has a namespace with key {key!r}, which is no number") from None
