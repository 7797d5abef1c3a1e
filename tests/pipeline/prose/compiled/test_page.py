"""The compiled path gives the bytes of the reference, for real dumps, for nasty pages, and beside other threads."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.articles.article import Article
from pipeline.articles.site import Site
from pipeline.prose import clean as clean_text
from pipeline.prose import lines as prose_lines
from pipeline.prose.clean import clean_by_reference
from pipeline.prose.clean import clean_compiled as clean
from pipeline.prose.deadline import TooSlow
from pipeline.settings import SourceSettings
from pipeline.source.plan import open_source
from tests.helpers import ROOT, SHARED
from tests.helpers.wikitext import CHINESE, JAPANESE, PAGES, SITE, TEX

SITES = st.sampled_from([SITE, CHINESE, JAPANESE, TEX])


def articles(path: Path) -> tuple[Site, list[str]]:
    source = open_source(SourceSettings(path=str(path), unit_bytes=10_000_000))
    pages = (page for unit in source.units for page in unit.pages(source.site))
    return source.site, [page.text for page in pages if isinstance(page, Article)]


@settings(max_examples=600)
@given(PAGES, SITES)
def test_both_paths_give_the_same_text(wikitext: str, site: Site) -> None:
    assert clean(wikitext, site) == clean_by_reference(wikitext, site)


@pytest.mark.slow
@settings(max_examples=50_000)
@given(PAGES, SITES)
def test_both_paths_give_the_same_text_however_often_it_is_tried(wikitext: str, site: Site) -> None:
    assert clean(wikitext, site) == clean_by_reference(wikitext, site)


def test_few_lines_of_the_bundled_corpus_are_left_to_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    site, texts = articles(ROOT / "corpus" / "miniwiki-pages-articles-multistream.xml.bz2")
    expected = [clean_by_reference(text, site) for text in texts]
    left: list[str] = []
    slow_line = prose_lines.take_marks

    def counted(line: str) -> str | None:
        left.append(line)
        return slow_line(line)

    monkeypatch.setattr(prose_lines, "take_marks", counted)
    assert [clean(text, site) for text in texts] == expected
    assert sum(map(len, left)) < 0.02 * sum(map(len, texts))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["enwiki-20160501-sample", "ltgwiki-20170901", "viwiki-20230501-sample"])
def test_both_paths_give_the_same_text_of_real_dumps(name: str) -> None:
    path = SHARED / f"{name}-pages-articles-multistream.xml.bz2"
    if not path.exists():
        pytest.skip(f"{path.name} is not here: WIKILM_SHARED names the folder that has data/")
    site, texts = articles(path)
    for text in texts:
        assert clean(text, site) == clean_by_reference(text, site)


HOSTILE = [
    "{", "}", "[", "]", "'", "<", ">", "=", "-", "|", ":", "&", "(", "( ", ")", " ", "\n", "\x03", "{{",
    "}}", "[[", "]]", "''", "{{{", "}}}", "-{", "}-", "\n{|", "\n|}", "<!--", "-->", "<ref>", "</ref>",
    "</ref", "<ref ", "<nowiki>", "<b>", "</b>", "<table>", "[[a|", "[[a|b]]", "[[File:", "[http://x ",
    "[http://x", "http://", "a:", "{{lang|de|", "{{a|", "{{a}}", "(<ref/>", "<ref/>, ", "&amp;", "&amp",
    "* ", "== ", "''x", "'''x'' ", "__A", "<foo>", "</foo>", "<foo/>", "<foo a='",
    "<foo a=b ", "<code><foo/>",
]  # fmt: skip


@pytest.mark.parametrize("bait", HOSTILE)
def test_both_paths_give_the_same_text_of_a_page_that_is_meant_to_hurt(bait: str) -> None:
    for text in (bait * 600, f"before {bait * 300} after\n\nend", (bait + "x ") * 300):
        assert clean(text, CHINESE) == clean_by_reference(text, CHINESE)


@pytest.mark.slow
@pytest.mark.parametrize("bait", HOSTILE)
def test_a_million_of_anything_comes_to_an_end(bait: str) -> None:
    text = bait * 1_000_000
    assert clean(text, SITE) == clean_by_reference(text, SITE)


def test_more_is_open_than_the_compiled_path_has_room_for() -> None:
    for text in ("{{" * 5000 + "x" + "}}" * 5000, "-{" * 5000 + "{{a}}", "[[x|" * 5000 + "y" + "]]" * 5000):
        assert clean(text, CHINESE) == clean_by_reference(text, CHINESE)


def test_templates_that_grow_what_they_are_in_find_room() -> None:
    text = "{{val|1|e=2|u=m}}" * 2000 + "{{spaced ndash}}" * 500
    assert clean(text, SITE) == clean_by_reference(text, SITE)


def test_a_name_that_stands_for_no_words_hides_no_other() -> None:
    names = [f"box {number}" for number in range(6000)]  # more than there is room for
    text = " ".join(f"{{{{{name}|x}}}}{{{{lang|de|{name}}}}}{{{{nowrap|y}}}}" for name in names)
    assert clean(text, SITE) == clean(text, SITE) == clean_by_reference(text, SITE)


def test_a_name_without_words_in_one_wiki_has_them_in_the_next() -> None:
    text = "a {{ruby|b|c}} {{仮リンク|d}} {{own|e|f}} {{box|5|km}} g"
    assert clean(text, SITE) == clean_by_reference(text, SITE) == "a g"
    assert clean(text, JAPANESE) == clean_by_reference(text, JAPANESE) == "a b（c） d f 5 km g"
    assert clean(text, SITE) == "a g"


def test_threads_do_not_get_into_each_others_pages() -> None:
    site, texts = articles(ROOT / "corpus" / "miniwiki-pages-articles-multistream.xml.bz2")
    expected = [clean(text, site) for text in texts]
    with ThreadPoolExecutor(4) as threads:
        for found in threads.map(lambda _: [clean(text, site) for text in texts], range(8)):
            assert found == expected


@pytest.mark.parametrize("wikitext", ["{{a}} " * 10_000, "<li>[[a|b]]</li>\n" * 10_000])
def test_a_page_that_takes_longer_than_it_may_is_given_up(wikitext: str) -> None:
    with pytest.raises(TooSlow, match=r"0\.001 s are allowed"):
        clean_by_reference(wikitext, SITE, max_seconds=0.001)
    assert clean(wikitext, SITE, max_seconds=1000) == clean_by_reference(wikitext, SITE, max_seconds=1000)


def test_the_limit_holds_for_what_the_compiled_path_leaves() -> None:
    with pytest.raises(TooSlow):
        clean("<li>[[a|b]]</li>\n" * 10_000, SITE, max_seconds=0.001)


def test_a_page_too_slow_for_the_reference_is_left_to_the_compiled_path(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "[[a|b]] {{c}}\n" * 10_000  # simple, so that the compiled path does all of it
    monkeypatch.setattr(clean_text, "fast_path", lambda characters: None)
    with pytest.raises(TooSlow):
        clean_by_reference(text, SITE, max_seconds=0.001)
    assert clean_text.clean(text, SITE, max_seconds=0.001).text == clean(text, SITE)
