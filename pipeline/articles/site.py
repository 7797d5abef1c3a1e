"""Know whose wiki a source is of: what its namespaces are called, and the addresses of its pages."""

import re
from dataclasses import dataclass
from functools import cached_property

from wikilm.origin import PAGE_ADDRESS

MEDIA, FILE, TEMPLATE, CATEGORY = -2, 6, 10, 14
# MediaWiki accepts these English names on every wiki, beside the localized ones that siteinfo lists.
# Source: includes/title/NamespaceInfo.php, and $wgNamespaceAliases for Image.
CANONICAL: dict[str, int] = {
    "media": -2, "special": -1, "talk": 1, "user": 2, "user talk": 3, "project": 4, "project talk": 5,
    "file": 6, "image": 6, "file talk": 7, "image talk": 7, "mediawiki": 8, "mediawiki talk": 9, "template": 10,
    "template talk": 11, "help": 12, "help talk": 13, "category": 14, "category talk": 15, "module": 828,
}  # fmt: skip

_WIKIMEDIA = re.compile(
    r"([a-z]{2,12}(?:-[a-z]{2,12})*)\.(?:m\.)?"
    r"(wikipedia|wiktionary|wikisource|wikibooks|wikinews|wikiquote|wikiversity|wikivoyage)\.org"
)
_OTHER_DATABASES = {"be-tarask": "be_x_old"}  # whose language has another code in its host


@dataclass(frozen=True)
class Site:
    """What siteinfo says about a wiki; all of it may be missing (Parquet sources have none)."""

    language: str | None = None
    name: str = ""
    database: str = ""
    namespaces: tuple[tuple[int, str], ...] = ()  # (id, localized name)
    base: str = ""  # address of one of its pages (siteinfo: the main page), as `page_base` lets it through
    content: tuple[int, ...] = (0,)  # namespaces whose pages are articles; siteinfo does not say: `source.namespaces`
    # (name, what it stands for) of its templates; siteinfo does not say: `source.templates`, and the dump's redirects
    templates: tuple[tuple[str, str], ...] = ()
    formulas: str = "drop"  # or "tex", how to show them; siteinfo does not say: `source.formulas`

    @property
    def wiki(self) -> str:
        """The name of its database, from the host of its pages where no name is given; empty where neither is known."""
        return self.database or database_of(self.base)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return CANONICAL | {_key(name): number for number, name in self.namespaces if name}

    def namespace_of(self, prefix: str) -> int | None:
        """Return the id of the namespace that `prefix` names (localized or canonical, any case), or None."""
        return self._ids.get(_key(prefix))

    @cached_property
    def edition(self) -> str | None:
        """The code of an edition of Wikipedia, such as "ja" or "simple"; None: it is another wiki, or not known."""
        found = re.fullmatch(r"([a-z_]{2,20})wiki", self.wiki)
        return found[1].replace("_", "-") if found else None

    @cached_property
    def own_templates(self) -> dict[str, str]:
        """The names of `templates`, each with what it stands for."""
        return dict(self.templates)


def page_base(address: str) -> str:
    """Return the address of a page if links to others can be made from it, else an empty text.

    Only http(s), printable ASCII, and no user or password, which must not travel on into a manifest.
    """
    return address if PAGE_ADDRESS.fullmatch(address) else ""


def database_of(base: str) -> str:
    """Return what the database of a wiki of Wikimedia is called, from the address of one of its pages; else the host.

    Source: the `dbname` of meta.wikimedia.org's sitematrix. A dump and the Parquet of a wiki have the same.
    """
    page = PAGE_ADDRESS.fullmatch(base)
    if not page:
        return ""
    host = page["host"].lower()
    match = _WIKIMEDIA.fullmatch(host)
    if not match:
        return host
    language = _OTHER_DATABASES.get(match[1], match[1].replace("-", "_"))
    return language + ("wiki" if match[2] == "wikipedia" else match[2])


def _key(prefix: str) -> str:
    return " ".join(prefix.replace("_", " ").split()).casefold()
