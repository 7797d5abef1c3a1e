"""Find the redirects between templates in the text of a dump, without parsing its pages.

MediaWiki writes the head of a page in one form: title, namespace, id, and the title of the page that it redirects to.
Text in XML holds no bare `<`, so nothing that an author writes looks like that.
"""

import re
from collections.abc import Iterable, Iterator
from xml.sax.saxutils import unescape

from pipeline.articles import TEMPLATE, Site
from pipeline.source.dump_index import ENTITIES

_HEAD = (
    rb"<NS:title>([^<>]{1,1600})</NS:title>\s{0,20}<NS:ns>%d</NS:ns>\s{0,20}(?:<NS:id>[0-9]{1,19}</NS:id>\s{0,20})?"
    rb"<NS:redirect title=(?:\"([^<>\"]{1,1600})\"|'([^<>']{1,1600})')" % TEMPLATE
)
_LONGEST = 5000  # bytes of a match, about: titles have at most 255, which entities make six times as long


def template_redirects(pieces: Iterable[bytes], site: Site, prefix: bytes) -> Iterator[tuple[str, str]]:
    """Yield the templates that are redirects to others, as (name, name of the other), without their namespace.

    Args:
        pieces: of the text of a dump, whole pages in all.
        site: whose namespace of templates it is.
        prefix: of the XML's tags, with its colon.
    """
    head = re.compile(_HEAD.replace(b"NS:", re.escape(prefix)))
    text = b""
    for piece in pieces:
        text += piece
        done = 0
        for match in head.finditer(text):
            done = match.end()
            (_, name), (namespace, leads_to) = _parts(match[1]), _parts(match[2] or match[3])
            if name and leads_to and site.namespace_of(namespace) == TEMPLATE:
                yield name, leads_to
        text = text[max(done, len(text) - _LONGEST) :]


def _parts(title: bytes) -> tuple[str, str]:
    namespace, _, name = unescape(title.decode("utf-8", "replace"), ENTITIES).partition(":")
    return namespace, name
