"""Turn the text of articles into prose. What is wrong with one article costs that one alone.

An error of the program or of the machine is no article's fault, and ends the run: a full disk, a compiler that fails.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import pyarrow as pa
from mwparserfromhell.parser import ParserError

from pipeline.articles import Article, Articles, DeadLetter, Site, Texts
from pipeline.prose.clean import Prose, clean
from pipeline.prose.deadline import TooSlow
from pipeline.prose.plain import plain, plain_texts
from pipeline.prose.templates import checked, resolved
from wikilm.errors import reason

# What a text can make the steps and the parser raise.
OF_THE_TEXT = (ValueError, LookupError, ArithmeticError, RecursionError, ParserError)


class Cleaned(NamedTuple):
    """The prose of a batch of articles, null where one cannot be cleaned; dead letters for these; and how many tags of
    unknown extensions were removed.
    """

    texts: Texts
    dead_letters: tuple[DeadLetter, ...] = ()
    unknown_tags: int = 0


@dataclass(frozen=True)
class Cleaner:
    """How the texts of a source become prose; small, since it travels with every step of the Beam graph.

    Attributes:
        site: whose names of namespaces and templates count in wikitext.
        is_wikitext: whether the texts are wikitext; plain ones only lose carriage returns and control characters.
        max_seconds: CPU time that one article may take, about; `source.max_page_seconds` of params.yaml.
    """

    site: Site
    is_wikitext: bool
    max_seconds: float

    @classmethod
    def of(
        cls, site: Site, is_wikitext: bool, max_seconds: float, templates: Mapping[str, str] | None = None
    ) -> "Cleaner":
        """Make a cleaner that also knows these names of templates (`source.templates`).

        Raises:
            UsageError: one of them stands for nothing that is known.
        """
        return cls(replace(site, templates=tuple(checked(templates or {}, site).items())), is_wikitext, max_seconds)

    def with_redirects(self, redirects: Callable[[], Iterable[tuple[str, str]]]) -> "Cleaner":
        """Return one that also knows the templates that lead to known ones (see `templates.resolved`)."""
        found = resolved(redirects, self.site)
        return replace(self, site=replace(self.site, templates=(*self.site.templates, *found.items())))

    def prose(self, article: Article) -> str | DeadLetter:
        """Clean one article."""
        try:
            return self._cleaned(article.text).text if self.is_wikitext else plain(article.text)
        except _CannotBeCleanedError as error:
            return DeadLetter(article.page_id, article.title, article.where, str(error))

    def prose_of_all(self, articles: Articles, texts: Texts) -> Cleaned:
        """Clean a batch of articles.

        Args:
            articles: whose texts they are.
            texts: pyarrow string array [articles] without nulls.
        """
        if not self.is_wikitext:
            return Cleaned(plain_texts(texts))
        dead: list[DeadLetter] = []
        cleaned: list[str | None] = []
        unknown_tags = 0
        for number, text in enumerate(texts.to_pylist()):
            try:
                prose = self._cleaned(text)
                cleaned.append(prose.text)
                unknown_tags += prose.unknown_tags
            except _CannotBeCleanedError as error:
                cleaned.append(None)
                dead.append(articles.dead_letter(number, str(error)))
        return Cleaned(pa.array(cleaned, pa.string()), tuple(dead), unknown_tags)

    def _cleaned(self, wikitext: str) -> Prose:
        try:
            prose = clean(wikitext, self.site, self.max_seconds)
            prose.text.encode()  # a lone surrogate is no text
            return prose
        except TooSlow:
            limit = f"source.max_page_seconds = {self.max_seconds:g}"
            raise _CannotBeCleanedError(f"takes more CPU time to clean than {limit}") from None
        except OF_THE_TEXT as error:
            raise _CannotBeCleanedError(f"cannot be cleaned: {type(error).__name__}: {reason(error)}") from error


class _CannotBeCleanedError(ValueError):
    """Why an article has no prose, in one line."""
