"""Expand templates into the words that they put into running text.

Most templates are boxes and notes, and are cut. Some stand for words in the middle of a sentence and mean the same in
every edition; their arguments hold the words (template_words.py). A wiki may have its own names for them
(template_names.toml, `Site.templates`).
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping

from pipeline.articles import TEMPLATE, Site
from pipeline.prose.patterns import is_pattern, pattern
from pipeline.prose.template_arguments import Arguments
from pipeline.prose.template_names import edition_names, normal
from pipeline.prose.template_words import FORMS, SHAPES, WORDS
from wikilm.errors import RunError, UsageError

MAX_CHARS = 1000  # longer templates are no words in a sentence
MAX_CHAIN = 2  # redirects that are followed. Source: MediaWiki, Parser::statelessFetchTemplate
MAX_NAMES = 100_000  # the English Wikipedia has some thousand redirects to known templates
_ANY_WIKI = Site()
_SPLIT = re.compile(r"\|(?![^\[\]]*\]\])")  # not the bars inside links
_NAMED = re.compile(r"[ \t\n]{0,9}([\w .-]{1,30}?)[ \t]{0,9}=(.*)", re.DOTALL)


def expand(content: str, site: Site = _ANY_WIKI) -> str | None:
    """Return the words that `{{content}}` puts into the text, as wikitext; None: none, or it is not known."""
    name, colon, value = content.partition("|")[0].partition(":")
    if colon and site.namespace_of(name) == TEMPLATE:
        name, colon = value, ""
    if colon:  # a parser function: its first argument follows the colon
        return value.strip() or None if normal(name) == "formatnum" else None
    known = known_name(name, site)
    words = _words_of(known) if _is_name(name) else None
    # An empty string would hide that there was something, and leave its hole open.
    return (words(_arguments(content, known)) or None) if words else None


def is_known(name: str, site: Site = _ANY_WIKI) -> bool:
    """Return whether a template of this name, which is all before its first bar, may put words into the text."""
    return ":" in name or (_is_name(name) and _words_of(known_name(name, site)) is not None)


def known_name(name: str, site: Site) -> str:
    """Return what a template's name stands for in a wiki, a known name or a pattern; or the name itself."""
    name = normal(name)
    name = site.own_templates.get(name, name)
    return edition_names(site.edition).get(name, name)


def checked(templates: Mapping[str, str], site: Site) -> dict[str, str]:
    """Check the names that a user gives to templates (`source.templates`), and put them into the form of `Site`.

    Raises:
        UsageError: one stands for nothing that is known.
    """
    return {normal(name): _target(name, target, site) for name, target in templates.items()}


def _target(name: str, target: str, site: Site) -> str:
    key = f"--templates (source.templates) {name}"
    if is_pattern(target):
        try:
            pattern(target)
        except ValueError as error:
            raise UsageError(f"{key}: {target!r} is no pattern: {error}; see docs/clean-text.md") from None
        return target
    if _words_of(known_name(target, site)) is None:
        known = [*WORDS, *FORMS, *edition_names(site.edition)]
        near = difflib.get_close_matches(normal(target), known, n=3)
        said = f"did you mean {', '.join(map(repr, near))}?" if near else "docs/clean-text.md lists those that are"
        raise UsageError(f"{key}: {target!r} is no known template; {said}")
    return normal(target)


def resolved(redirects: Callable[[], Iterable[tuple[str, str]]], site: Site) -> dict[str, str]:
    """Return the redirects to known templates from names that are not known: name -> what it stands for.

    Of a chain, as many are followed as MediaWiki does, so that no circle and no order of the pages matters.

    Args:
        redirects: yields (name, the name it leads to), each time from the start: there may be millions of them.
        site: whose templates they are.

    Raises:
        RunError: more lead to known templates than any wiki has.
    """
    found: dict[str, str] = {}
    for _ in range(MAX_CHAIN):
        new: dict[str, str] = {}
        for name, leads_to in redirects():
            target = known_name(leads_to, site)
            target = found.get(target, target)
            if normal(name) not in found and not is_known(name, site) and _words_of(target) is not None:
                new.setdefault(normal(name), target)
            if len(found) + len(new) > MAX_NAMES:
                raise RunError(
                    f"more than {MAX_NAMES} redirects lead to known templates, which no wiki has; "
                    "set source.template_redirects to false"
                )
        found |= new
    return found


def _is_name(name: str) -> bool:
    """Return whether what an author has typed may be the name of a template, and is no pattern or form of ours."""
    return not re.search("[{}#]", name) and (name.strip() == "=" or not name.lstrip().startswith("="))


def _words_of(name: str) -> Callable[[Arguments], str] | None:
    if is_pattern(name):
        return pattern(name)
    return (
        WORDS.get(name)
        or FORMS.get(name)
        or next((words for shape, words in SHAPES.items() if re.fullmatch(shape, name)), None)
    )


def _arguments(content: str, known: str) -> Arguments:
    positional: list[str] = []
    named: dict[str, str] = {}
    for part in _SPLIT.split(content):
        match = _NAMED.fullmatch(part) if positional else None
        if match:
            named[match[1]] = match[2]
        else:
            positional.append(part)
    return Arguments([known, *positional[1:]], named)
