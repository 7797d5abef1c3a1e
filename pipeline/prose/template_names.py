"""Know what the editions of Wikipedia call the templates that are known (template_names.toml)."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("template_names.toml")
_NONE: Mapping[str, str] = {}


def normal(name: str) -> str:
    """Return a template's name in the form in which names are compared, wherever it stands."""
    return " ".join(name.replace("_", " ").split()).lower()


def edition_names(edition: str | None) -> Mapping[str, str]:
    """Return an edition's own names of templates -> what they stand for: a known name, or a pattern (patterns.py)."""
    return _NONE if edition is None else editions().get(edition, _NONE)


@cache
def editions() -> Mapping[str, Mapping[str, str]]:
    """Return the names of all editions, by the code of the edition."""
    stored = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {
        edition: {normal(name): target for target, names in targets.items() for name in names}
        for edition, targets in stored.items()
    }
