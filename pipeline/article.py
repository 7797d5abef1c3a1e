"""The XML of one page in; an Article, a named reason to leave it out, or a dead letter out."""

import re
from dataclasses import dataclass

from lxml import etree

from pipeline.site import Site

MAX_ID = 2**63 - 1  # page_id is an int64 column of every shard
_ID = re.compile(rb"<id>([0-9]{1,19})</id>")
_TITLE = re.compile(rb"<title>([^<]{1,1000})</title>")


@dataclass(frozen=True)
class Article:
    """A page of namespace 0 that is no redirect. `text` is wikitext (dumps) or plain text (Parquet)."""

    page_id: int
    revision_id: int  # 0 where the source does not say
    title: str
    text: str
    where: str = ""  # file name and byte offset


@dataclass(frozen=True)
class Dropped:
    """A page that is no article, and why: "redirect", "namespace:<n>" or "model:<content model>"."""

    page_id: int
    title: str
    reason: str


@dataclass(frozen=True)
class DeadLetter:
    """A page that cannot be read: where it lies (file name and byte offset), so that it can be looked at alone."""

    page_id: int | None
    title: str
    where: str
    error: str


Page = Article | Dropped | DeadLetter


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
    """A dead letter for what may be a page, with the id and title that can still be made out."""
    head = xml.partition(b"<revision")[0]  # what follows has ids of its own
    page_id, title = _ID.search(head), _TITLE.search(head)
    known = int(page_id[1]) if page_id else None
    return DeadLetter(
        known if known is not None and 0 < known <= MAX_ID else None,
        title[1].decode("utf-8", "replace") if title else "",
        where,
        error,
    )


def _read(xml: bytes, where: str, site: Site) -> Article | Dropped:
    # The caller bounds the size of a page, so libxml2's own limit of 10 MB a text may go; entities cannot be declared
    # inside an element, so none but XML's own five exist here.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True, encoding="utf-8")
    page = etree.fromstring(xml, parser)
    title = (page.findtext("title") or "").strip()
    if not title:
        raise ValueError("the page has no title")
    page_id = _number(page.findtext("id"), "page id")
    namespace = _namespace(page.findtext("ns"), title, site)
    if namespace != 0:
        return Dropped(page_id, title, f"namespace:{namespace}")
    if page.find("redirect") is not None:
        return Dropped(page_id, title, "redirect")
    revisions = page.findall("revision")
    if not revisions:
        raise ValueError("the page has no revision")
    revision = revisions[-1]  # the newest, where a dump holds a page's history
    model = (revision.findtext("model") or "wikitext").strip()
    if model != "wikitext":
        return Dropped(page_id, title, f"model:{model if re.fullmatch('[a-zA-Z0-9./-]{1,40}', model) else 'other'}")
    text = revision.findtext("text") or ""
    return Article(page_id, _number(revision.findtext("id"), "revision id"), title, text, where)


def _number(text: str | None, what: str) -> int:
    if text is None:
        raise ValueError(f"the page has no {what}")
    digits = text.strip()
    if not re.fullmatch("[0-9]{1,19}", digits) or not 0 < int(digits) <= MAX_ID:
        raise ValueError(f"the {what} is {digits[:40]!r}, not a positive number of 63 bits")
    return int(digits)


def _namespace(text: str | None, title: str, site: Site) -> int:
    if text is None:
        prefix, colon, _ = title.partition(":")
        return (site.namespace_of(prefix) or 0) if colon else 0
    if not re.fullmatch(r"-?[0-9]{1,5}", text.strip()):
        raise ValueError(f"the namespace is {text.strip()[:40]!r}, not a number")
    return int(text)
