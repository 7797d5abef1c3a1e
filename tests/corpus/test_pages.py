"""The pages of the corpus hold what real ones hold, in prose enough, and no two articles the same words."""

import re
from collections import Counter

import pytest

from corpus.page import Page
from pipeline.prose.clean import clean
from pipeline.settings import SourceSettings
from pipeline.source.plan import open_source
from tests.helpers.corpus import XML


def prose(wikitext: str) -> str:
    """Roughly the running text: without templates, tables, references, files, categories and link brackets."""
    text = re.sub(
        r"<!--.*?-->|<ref[^>/]*/>|<ref.*?</ref>|<gallery.*?</gallery>|<math>.*?</math>", " ", wikitext, flags=re.S
    )
    while (cut := re.sub(r"\{\{[^{}]*\}\}|\{\|[^{}]*?\|\}", " ", text)) != text:
        text = cut
    text = re.sub(r"\[\[(?:[^\[\]|]*\|)?([^\[\]]*)\]\]", r"\1", re.sub(r"\[\[(?:File|Category):.*?\]\]", " ", text))
    return re.sub(r"<[^>]*>|__[A-Z]+__|&\w+;|[='*#]", " ", text)


def test_there_are_articles_and_words_enough_once_the_pipeline_has_cleaned_them(articles: list[Page]) -> None:
    site = open_source(SourceSettings(path=str(XML), unit_bytes=1_000_000)).site
    words = {page.title: len(clean(page.text, site).text.split()) for page in articles}
    assert sum(count > 0 for count in words.values()) >= 120
    assert sum(words.values()) >= 25_000
    assert [title for title, count in words.items() if not count] == ["Perchance"]  # a soft redirect, all template


def test_no_two_articles_share_a_long_run_of_words(articles: list[Page]) -> None:
    # A model that recites a run from a training article must not thereby know one of a validation article.
    length = 12
    owner: dict[tuple[str, ...], str] = {}
    for page in articles:
        words = re.findall(r"\w+", prose(page.text).lower())
        for start in range(len(words) - length + 1):
            run = tuple(words[start : start + length])
            assert owner.setdefault(run, page.title) == page.title, (
                f"{owner[run]!r} and {page.title!r}: {' '.join(run)}"
            )


def test_links_leave_the_corpus_for_example_hosts_only(pages: list[Page]) -> None:
    hosts = Counter(host for page in pages for host in re.findall(r"(?:https?:)?//([\w.-]+\.\w+)", page.text))
    assert hosts
    assert all(re.fullmatch(r"(www\.)?example\.(org|com)", host) for host in hosts), hosts


# One entry per thing that a real dump holds: how often at least, and where it is seen.
IN_ARTICLES = {
    "infobox": (5, r"\{\{Infobox"),
    "template within a template": (5, r"\{\{[^{}]*\{\{"),
    "table": (5, r"^\{\|.*?^\|\}"),
    "reference": (5, r"<ref>.+?</ref>"),
    "reference by name": (3, r'<ref name="?\w+"? ?/>'),
    "gallery": (2, r"<gallery.*?</gallery>"),
    "math": (2, r"<math>"),
    "comment": (2, r"<!--.*?-->"),
    "entity": (5, r"&(nbsp|ndash|amp|minus|lt);"),
    "external link": (2, r"\[https?://\S+ [^\]]+\]"),
    "file with a link in its caption": (2, r"\[\[File:[^\]]*\[\["),
    "category": (50, r"\[\[Category:"),
    "heading": (50, r"^==[^=].*==$"),
    "sub-heading": (5, r"^===[^=].*===$"),
    "list": (5, r"^\*"),
    "numbered list": (2, r"^#"),
    "definition list": (2, r"^;"),
    "magic word": (2, r"__[A-Z]+__"),
    "bold italics": (2, r"'''''\w"),
    "subscript or superscript": (2, r"<su[bp]>"),
    "block quotation": (2, r"<blockquote>"),
    "markup switched off": (2, r"<nowiki>"),
    "link to another language": (2, r"^\[\[[a-z]{2}:"),
    "Greek": (2, r"[α-ω]{3}"),
    "Cyrillic": (2, r"[а-я]{3}"),
    "Arabic": (2, r"[\u0620-\u064a]{3}"),
    "Hebrew": (1, r"[\u05d0-\u05ea]{2}"),
    "Devanagari": (1, r"[\u0900-\u097f]{2}"),
    "Chinese or Japanese": (2, r"[\u4e00-\u9fff]"),
    "end-of-text token as plain text": (1, r"&lt;\|endoftext\|&gt;"),
    "end-of-text token, markup switched off": (1, r"<nowiki><\|endoftext\|></nowiki>"),
    "disambiguation": (4, r"\{\{[Dd]isambig"),
    "unclosed template at the end": (1, r"\{\{[^{}]*\Z"),
}


@pytest.mark.parametrize("feature", IN_ARTICLES)
def test_articles_hold_what_real_ones_hold(feature: str, articles: list[Page]) -> None:
    at_least, pattern = IN_ARTICLES[feature]
    seen = [page.title for page in articles if re.search(pattern, page.text, re.MULTILINE | re.DOTALL)]
    assert len(seen) >= at_least, seen


IN_TITLES = {
    "ampersand": (2, "&"),
    "quotes": (2, '"'),
    "slash": (2, "/"),
    "apostrophe": (1, "'"),
    "brackets": (2, r"\(.+\)"),
    "colon": (1, ": "),
    "not ASCII": (5, r"[^\x00-\x7f]"),
    "not Latin": (2, r"^[\u0400-\u9fff]"),
    "right to left": (2, r"[\u0590-\u06ff]"),
}


@pytest.mark.parametrize("feature", IN_TITLES)
def test_titles_hold_what_real_ones_hold(feature: str, pages: list[Page]) -> None:
    at_least, pattern = IN_TITLES[feature]
    seen = [page.title for page in pages if page.namespace == 0 and re.search(pattern, page.title)]
    assert len(seen) >= at_least, seen


def test_pages_of_every_usual_kind_are_there(pages: list[Page], articles: list[Page]) -> None:
    namespaces = Counter(page.namespace for page in pages)
    assert {1, 2, 3, 4, 6, 8, 10, 12, 14, 100, 828} <= set(namespaces)
    redirects = [page for page in pages if page.redirect is not None]
    assert sum(page.namespace == 0 for page in redirects) >= 15
    assert any(page.namespace == 10 for page in redirects)
    assert any(page.text == "" for page in pages)
    stubs = [page for page in articles if len(page.text.split()) > 5 and "\n" not in page.text]
    assert len(stubs) >= 3
