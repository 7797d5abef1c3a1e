"""Tell a source's language, the date of its dump, the license of its text and the addresses of its articles."""

import datetime
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from wikilm.markdown import plain

if TYPE_CHECKING:
    from wikilm.shards.manifest import Manifest

PAGE_ADDRESS = re.compile(
    r"https?://(?P<host>[A-Za-z0-9.-]{1,253})(?::[0-9]{1,5})?(?P<path>/[!$%&'()*+,./:;=@A-Za-z0-9_~-]{0,2000})"
)
RELICENSED = "2023-06-07"  # when the text of Wikipedia went from CC BY-SA 3.0 to 4.0
# The model hub's identifiers of the licenses below; of several texts, the first that one has is named first.
LICENSES = ("unknown", "cc-by-sa-4.0", "cc-by-sa-3.0", "gfdl", "apache-2.0")
BUNDLED = ("miniwiki", "miniwiki-pages-articles-multistream.xml.bz2")  # database and file of corpus/


@dataclass(frozen=True)
class TextLicense:
    """The license of a text.

    Attributes:
        names: the model hub's identifiers; of several, a reader may choose.
        notice: the same in words for people.
    """

    names: tuple[str, ...]
    notice: str


def text_license(source: str, database: str, base: str) -> TextLicense:
    """Infer the license of a source's text.

    Args:
        source: name of its file or folder.
        database: of the wiki, such as enwiki; may be empty.
        base: address of one of its pages; may be empty.
    """
    if (database, source) == BUNDLED:
        notice = "The text is wikilm's own encyclopedia, under the project's license, Apache-2.0."
        return TextLicense(("apache-2.0",), notice)
    if language_of(base) is None:
        notice = "The license of the text is not known here: ask where the source comes from."
        return TextLicense(("unknown",), notice)
    date = date_of(source)
    version = "3.0" if date and date < RELICENSED else "4.0"
    notice = (
        f"The text is © Wikipedia contributors, under CC BY-SA {version} and, but for what came from elsewhere under"
        " CC BY-SA alone, the GFDL: name each article that you show, and share alike. Its history names its authors."
    )
    return TextLicense((f"cc-by-sa-{version}", "gfdl"), notice)


def license_of(manifest: "Manifest") -> TextLicense:
    """Infer the license of the text that shards are made of; of several wikis, those of all, each with its wikis.

    A text under CC BY-SA 3.0 may be passed on, within a whole, under 4.0 (section 4b of 3.0).
    """
    wikis: dict[TextLicense, list[str]] = {}
    for entry in manifest.wikis:
        found = text_license(entry.source.name, entry.site.database, entry.site.base)
        wikis.setdefault(found, []).append(plain(entry.wiki))
    if len(wikis) == 1:
        return next(iter(wikis))
    names = {name for license in wikis for name in license.names}
    notices = (f"{', '.join(some)}: {license.notice}" for license, some in wikis.items())
    return TextLicense(tuple(name for name in LICENSES if name in names), "\n".join(notices))


def languages_of(manifest: "Manifest") -> dict[str, str]:
    """Return the language of each wiki that says it, by the name of the wiki."""
    found = {entry.wiki: entry.site.language or language_of(entry.site.base) for entry in manifest.wikis}
    return {wiki: language for wiki, language in found.items() if language}


def language_of(base: str) -> str | None:
    """Return the language of a Wikipedia, from the address of one of its pages; None for other sites."""
    page = PAGE_ADDRESS.fullmatch(base)
    host = re.fullmatch(r"([a-z]{2,12}(?:-[a-z]{2,12})*)\.(?:m\.)?wikipedia\.org", page["host"]) if page else None
    return {"simple": "en"}.get(host[1], host[1]) if host else None


def language_fields(languages: Iterable[str]) -> dict[str, list[str]]:
    """Return the fields of a hub card that name languages, each once: none for what is no language tag."""
    fields: dict[str, list[str]] = {}
    for language in dict.fromkeys(languages):
        if re.fullmatch("[a-z]{2,3}", language):
            fields.setdefault("language", []).append(language)
        elif re.fullmatch("[a-z]{2,3}(-[A-Za-z0-9]{2,8})+", language):
            fields.setdefault("language_bcp47", []).append(language)
    return fields


def date_of(source: str) -> str | None:
    """Return the date in the name of a dump, as 2017-09-01; the first, if there are several."""
    for digits in re.findall(r"(?<![0-9])20[0-9]{6}(?![0-9])", source):
        try:
            return datetime.date.fromisoformat(digits).isoformat()
        except ValueError:
            continue
    return None


def page_url(base: str, title: str) -> str | None:
    """Return the address of an article, quoted as MediaWiki does (`wfUrlencode`); None where none can be made.

    Args:
        base: the address of another page of the same wiki, see `SiteEntry.base`.
        title: whatever it holds, the address stays below the folder of the wiki's pages.
    """
    page, words = PAGE_ADDRESS.fullmatch(base), title.strip(" _")
    if not page or words in ("", ".", ".."):
        return None
    # Pages lie in /wiki/ on every wiki of Wikimedia; elsewhere, in the folder of the page that is known.
    before, wiki, _ = page["path"].partition("/wiki/")
    folder = before + wiki if wiki else before[: before.rindex("/") + 1]
    # Readers resolve segments of dots, quoted or not: where a title has any, its slashes part no segments.
    safe = ";@$!*(),:~" if {".", ".."} & set(words.split("/")) else ";@$!*(),:~/"
    return base[: page.start("path")] + folder + quote(words.replace(" ", "_").encode("utf-8", "replace"), safe=safe)
