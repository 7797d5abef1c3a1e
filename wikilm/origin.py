"""Tell a source's language, the date of its dump and the license of its text from its name and addresses."""

import datetime
import re
from dataclasses import dataclass

PAGE_ADDRESS = re.compile(
    r"https?://(?P<host>[A-Za-z0-9.-]{1,253})(?::[0-9]{1,5})?(?P<path>/[!$%&'()*+,./:;=@A-Za-z0-9_~-]{0,2000})"
)
RELICENSED = "2023-06-07"  # when the text of Wikipedia went from CC BY-SA 3.0 to 4.0
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


def language_of(base: str) -> str | None:
    """Return the language of a Wikipedia, from the address of one of its pages; None for other sites."""
    page = PAGE_ADDRESS.fullmatch(base)
    host = re.fullmatch(r"([a-z]{2,12}(?:-[a-z]{2,12})*)\.(?:m\.)?wikipedia\.org", page["host"]) if page else None
    return {"simple": "en"}.get(host[1], host[1]) if host else None


def language_fields(language: str | None) -> dict[str, list[str]]:
    """Return the field of a hub card that names a language: none where it is no language tag."""
    if re.fullmatch("[a-z]{2,3}", language or ""):
        return {"language": [str(language)]}
    if re.fullmatch("[a-z]{2,3}(-[A-Za-z0-9]{2,8})+", language or ""):
        return {"language_bcp47": [str(language)]}
    return {}


def date_of(source: str) -> str | None:
    """Return the date in the name of a dump, as 2017-09-01; the first, if there are several."""
    for digits in re.findall(r"(?<![0-9])20[0-9]{6}(?![0-9])", source):
        try:
            return datetime.date.fromisoformat(digits).isoformat()
        except ValueError:
            continue
    return None
