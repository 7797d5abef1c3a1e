"""The compiled path gives the very bytes of the slow one, for real dumps, for nasty pages, and beside other threads."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.articles.article import Article
from pipeline.articles.site import Site
from pipeline.prose import clean as clean_text
from pipeline.prose import lines as prose_lines
from pipeline.prose.clean import clean_fast as clean
from pipeline.prose.clean import clean_slowly
from pipeline.prose.deadline import TooSlow
from pipeline.settings import SourceSettings
from pipeline.source.plan import open_source
from tests.helpers import ROOT, SHARED

SITE = Site("ltg", "Vikipedeja", "ltgwiki", ((0, ""), (6, "Fails"), (14, "Kategoreja"), (10, "Veidne")))
PIECES = [
    # what a line is made of
    "a", "word", " ", "  ", "\n", "\n\n", "'", "''", "'''", "'''''", "(", ")", "（", "）", ",", ".", "、",
    "。", "!", "?", "»", '"', "0", "1", "\t", "\u00a0", "\u2028", "\u3000", "漢", "é", "😀", "ſ", "K", "_",
    "-", "--", "----", "~~~~", "x=1",
    # links and addresses
    "[[", "]]", "[", "]", "|", "[[a|b]]", "[[a]]", "[[a|", "[[A_b]]", "[[#x]]", "[[:fr:x]]", "File:",
    "Kategoreja:", "Image:é.jpg]]", "é.jpg|", "de:", "zh:", ":", "//", "http://e.example",
    "[http://e.example", " label]", "https://x", "mailto:", "news:", "ftp://",
    # templates, tables, variants
    "{", "}", "{{", "}}", "{{{", "}}}", "{{x}}", "{{x|", "lang", "convert|", "{{lang|de|", "{{nbsp}}",
    "{|", "\n{|", "\n|}", "|-", "\n|", "-{", "}-", "-{zh-hans:a; zh-hant:b}-",
    # tags and comments
    "<", "</", ">", "/", "<ref>", "</ref>", "<ref name=x/>", "<REF group=a>", "</ReF >", "<b>", "</b>",
    "<i>", "</i>", "<sub>", "</sub>", "<small>", "</small>", "<wbr>", "</wbr>", "<code>", "</code>",
    "<noinclude>", "</noinclude>", "<div>", "</div>", "<li>", "</li>", "<table>", "</table>", "<br>",
    "<hr/>", "<span>", "<span style='display:none'>", "</span>", "<a href='x'>", "<nowiki>", "</nowiki>",
    "<nowiki/>", "<!--", "-->", "__TOC__",
    # entities
    "&", "&amp;", "&nbsp;", "&thetasym;", "&lt;", "&eacute;", "&fnof;", "&zzz;", "&#1;", "&#91;",
    "&#x41;", "&#0065;",
    # marks for lines, and control characters
    "*", "#", ";", "==", "=", "\n==", "==\n", "\n* ", "\n: ", "\n:{|", "\r\n", "\r", "\x01", "\x02",
    "\x03", "\x04", "\x0b", "\x85", "\ufeff",
]  # fmt: skip
# Some pieces often: a page of all of them has hardly a line that is simple.
PAGES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).flatmap(
    lambda few: st.lists(st.sampled_from(few), max_size=40).map("".join)
) | st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


def articles(path: Path) -> tuple[Site, list[str]]:
    source = open_source(SourceSettings(path=str(path), unit_bytes=10_000_000))
    pages = (page for unit in source.units for page in unit.pages(source.site))
    return source.site, [page.text for page in pages if isinstance(page, Article)]


@settings(max_examples=600)
@given(PAGES)
def test_both_paths_give_the_same_text(wikitext: str) -> None:
    assert clean(wikitext, SITE) == clean_slowly(wikitext, SITE)


@pytest.mark.slow
@settings(max_examples=50_000)
@given(PAGES)
def test_both_paths_give_the_same_text_however_often_it_is_tried(wikitext: str) -> None:
    assert clean(wikitext, SITE) == clean_slowly(wikitext, SITE)


def test_few_lines_of_the_bundled_corpus_are_left_to_the_slow_path(monkeypatch: pytest.MonkeyPatch) -> None:
    site, texts = articles(ROOT / "corpus" / "miniwiki-pages-articles-multistream.xml.bz2")
    slowly = [clean_slowly(text, site) for text in texts]
    left: list[str] = []
    slow_line = prose_lines._line

    def counted(line: str) -> str | None:
        left.append(line)
        return slow_line(line)

    monkeypatch.setattr(prose_lines, "_line", counted)
    assert [clean(text, site) for text in texts] == slowly
    assert sum(map(len, left)) < 0.02 * sum(map(len, texts))


@pytest.mark.parametrize("name", ["enwiki-20160501-sample", "ltgwiki-20170901", "viwiki-20230501-sample"])
def test_both_paths_give_the_same_text_of_real_dumps(name: str) -> None:
    path = SHARED / f"{name}-pages-articles-multistream.xml.bz2"
    if not path.exists():
        pytest.skip(f"{path.name} is not here: WIKILM_SHARED names the folder that has data/")
    site, texts = articles(path)
    for text in texts:
        assert clean(text, site) == clean_slowly(text, site)


HOSTILE = [
    "{", "}", "[", "]", "'", "<", ">", "=", "-", "|", ":", "&", "(", "( ", ")", " ", "\n", "\x03", "{{",
    "}}", "[[", "]]", "''", "{{{", "}}}", "-{", "}-", "\n{|", "\n|}", "<!--", "-->", "<ref>", "</ref>",
    "</ref", "<ref ", "<nowiki>", "<b>", "</b>", "<table>", "[[a|", "[[a|b]]", "[[File:", "[http://x ",
    "[http://x", "http://", "a:", "{{lang|de|", "{{a|", "{{a}}", "(<ref/>", "<ref/>, ", "&amp;", "&amp",
    "* ", "== ", "''x", "'''x'' ", "__A",
]  # fmt: skip


@pytest.mark.parametrize("bait", HOSTILE)
def test_both_paths_give_the_same_text_of_a_page_that_is_meant_to_hurt(bait: str) -> None:
    for text in (bait * 600, f"before {bait * 300} after\n\nend", (bait + "x ") * 300):
        assert clean(text, SITE) == clean_slowly(text, SITE)


@pytest.mark.slow
@pytest.mark.parametrize("bait", HOSTILE)
def test_a_million_of_anything_comes_to_an_end(bait: str) -> None:
    text = bait * 1_000_000
    assert clean(text, SITE) == clean_slowly(text, SITE)


def test_more_is_open_than_the_compiled_path_has_room_for() -> None:
    for text in ("{{" * 5000 + "x" + "}}" * 5000, "-{" * 5000 + "{{a}}", "[[x|" * 5000 + "y" + "]]" * 5000):
        assert clean(text, SITE) == clean_slowly(text, SITE)


def test_templates_that_grow_what_they_are_in_find_room() -> None:
    text = "{{val|1|e=2|u=m}}" * 2000 + "{{spaced ndash}}" * 500
    assert clean(text, SITE) == clean_slowly(text, SITE)


def test_a_name_that_stands_for_no_words_hides_no_other() -> None:
    names = [f"box {number}" for number in range(6000)]  # more than there is room for
    text = " ".join(f"{{{{{name}|x}}}}{{{{lang|de|{name}}}}}{{{{nowrap|y}}}}" for name in names)
    assert clean(text, SITE) == clean(text, SITE) == clean_slowly(text, SITE)


def test_threads_do_not_get_into_each_others_pages() -> None:
    site, texts = articles(ROOT / "corpus" / "miniwiki-pages-articles-multistream.xml.bz2")
    expected = [clean(text, site) for text in texts]
    with ThreadPoolExecutor(4) as threads:
        for found in threads.map(lambda _: [clean(text, site) for text in texts], range(8)):
            assert found == expected


@pytest.mark.parametrize(
    ("numba", "way_out"),
    [("None", "numba cannot be imported"), ("type(sys)('numba'); sys.modules['numba'].njit = fail", "NUMBA_CACHE_DIR")],
)
def test_without_numba_the_slow_path_says_so_once_and_gives_the_same(numba: str, way_out: str) -> None:
    code = (
        "import sys\ndef fail(**options): raise RuntimeError('no locator')\n"
        f"sys.modules['numba'] = {numba}\n"
        "from pipeline.prose.clean import clean_fast as clean\nfrom pipeline.articles.site import Site\n"
        "for _ in range(2): sys.stdout.write(clean(\"'''a''' [[b|c]] {{d}}&amp; x\", Site()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "a c & xa c & x"
    assert done.stderr.count("\n") == 1
    assert way_out in done.stderr


def test_the_compiler_is_not_loaded_before_a_page_is_cleaned() -> None:
    code = "import sys, pipeline.__main__, pipeline.flow, pipeline.prose.clean; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("wikitext", ["{{a}} " * 10_000, "<li>[[a|b]]</li>\n" * 10_000])
def test_a_page_that_takes_longer_than_it_may_is_given_up(wikitext: str) -> None:
    with pytest.raises(TooSlow, match=r"0\.001 s are allowed"):
        clean_slowly(wikitext, SITE, max_seconds=0.001)
    assert clean(wikitext, SITE, max_seconds=1000) == clean_slowly(wikitext, SITE, max_seconds=1000)


def test_the_limit_holds_for_what_the_compiled_path_leaves() -> None:
    with pytest.raises(TooSlow):
        clean("<li>[[a|b]]</li>\n" * 10_000, SITE, max_seconds=0.001)


@pytest.mark.slow
def test_of_several_processes_one_compiles_and_says_so_while_the_others_wait_for_it(tmp_path: Path) -> None:
    code = (
        "from pipeline.articles.site import Site\nfrom pipeline.prose.clean import clean_fast\n"
        "from pipeline.prose.compiled import tokens\n"
        "print(clean_fast('a', Site()), sum(tokens.tokenize.stats.cache_misses.values()))"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    started = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ended = [process.communicate() for process in started]
    assert sorted(out for out, _ in ended) == ["a 0\n", "a 0\n", "a 1\n"]
    told = [said for _, said in ended]  # one that started late may find the work done, and says nothing
    assert any("compiling the cleaner of wikitext, once on this machine" in said for said in told)
    assert not any("Traceback" in said for said in told)
    later = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert (later.stdout, later.stderr) == ("a 0\n", "")


def test_a_small_source_is_cleaned_without_the_compiler_and_a_large_one_with_it() -> None:
    code = (
        "import sys\nfrom pipeline.prose import fast_path\nfrom pipeline.prose.clean import clean\n"
        "from tests.pipeline.prose.compiled.test_page import ROOT, articles\n"
        "site, texts = articles(ROOT / 'corpus' / 'miniwiki-pages-articles-multistream.xml.bz2')\n"
        "before = [clean(text, site) for text in texts]\n"
        "assert 'numba' not in sys.modules\n"
        "fast_path.LOAD_AFTER = fast_path.COMPILE_AFTER = sum(map(len, texts)) * 3 // 2\n"
        "assert [clean(text, site) for text in texts] == before\n"
        "assert 'pipeline.prose.compiled.page' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_page_too_slow_for_the_slow_path_is_left_to_the_compiled_one(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "[[a|b]] {{c}}\n" * 10_000  # simple, so that the compiled path does all of it
    monkeypatch.setattr(clean_text, "fast_path", lambda characters: None)
    with pytest.raises(TooSlow):
        clean_slowly(text, SITE, max_seconds=0.001)
    assert clean_text.clean(text, SITE, max_seconds=0.001) == clean(text, SITE)
