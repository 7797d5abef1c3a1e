"""A tag of an extension that is not known goes, and is counted; what is no tag, or is shown as source text, stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.articles.article import Article
from pipeline.articles.columns import in_columns
from pipeline.prose.cleaner import Cleaner
from tests.helpers.wikitext import PAGES, SITE, few_examples

NAMES = st.from_regex(r"\Ax[a-z0-9-]{1,8}\Z").filter(lambda name: name != "xmp")  # an element of HTML, which stays
WORDS = st.text(st.sampled_from("ab "), min_size=1, max_size=9).filter(str.strip)


def cleaned(*wikitexts: str) -> tuple[list[str], int]:
    """The texts of pages, and the tags that were counted."""
    pages = in_columns([Article(number, 0, "T", text) for number, text in enumerate(wikitexts)])
    texts, _, tags = Cleaner(SITE, True, 60.0).prose_of_all(pages.articles, pages.texts)
    return texts.to_pylist(), tags


@pytest.mark.parametrize(
    ("wikitext", "text", "tags"),
    [
        ('a <foo bar="1">text</foo> b', "a text b", 2),
        ("a <foo/>, <Foo-2 a = 'b' c=d />b", "a, b", 2),
        ("a (<foo></foo>) b <foo> </foo>.", "a b.", 4),
        ("<tabs>\n<tab name='a'>\n* b\n</tab>\n</TABS >\nc", "b\n\nc", 4),
        ("<foo a={{x}} {{y}} b='{{z}}'>c</foo><foo {{x}}/>", "c", 3),
        ("<foo><foo>a</foo> <bar>b <baz>c</bar></baz>", "<foo>a b c", 6),  # MediaWiki does not nest them, either
        ("== <foo/> A ==\nb", "A\nb", 1),
        ("<span>[[a|<foo>b</foo>]]</span> {{nowrap|<foo/>c}}", "b c", 3),
        ("<foo a='<br>'/>", "<foo a='\n'/>", 0),  # no tag ends in a tag
    ],
)
def test_what_its_page_uses_as_a_tag_is_one(wikitext: str, text: str, tags: int) -> None:
    assert cleaned(wikitext) == ([text], tags)


@pytest.mark.parametrize(
    "text",
    [
        "1 < 2, a <- b, <n>, </m>, <stdio.h>, <your name>, <your name/>, <joe@example.org>, <http://a/>",
        "vector<int>, List<String>, Map<K, List<V>>, <K>, <b_c>d</b_c>, <foo bar>baz</foo>",
        "<a href='x'>b</a>, <img src='x'/>, <video/>, <xmp>c</xmp>, <script.x/>, <é/>, <1/>",  # of HTML, or of nothing
        "<foo> is opened, </bar> is closed, </baz> comes before <baz>",
    ],
)
def test_what_no_extension_has_as_a_tag_stays(text: str) -> None:
    assert cleaned(text) == ([text], 0)


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("<nowiki><foo/></nowiki> &lt;foo/&gt; &lt;foo>a&lt;/foo>", "<foo/> <foo/> <foo>a</foo>"),
        ("<code><foo/></code>, <kbd><foo>a</foo></kbd>, {{code|<foo/>}}", "<foo/>, <foo>a</foo>, <foo/>"),
        ("<code>\n<foo>\na</code> </foo>", "<foo>\na </foo>"),
        (" <foo>a</foo>\n <foo/>", "<foo>a</foo>\n<foo/>"),  # a line that starts with a space is source text
        ("<pre><foo/></pre><syntaxhighlight><foo/></syntaxhighlight>a", "a"),
    ],
)
def test_a_tag_in_source_text_is_shown(wikitext: str, text: str) -> None:
    assert cleaned(wikitext) == ([text], 0)


@few_examples
@given(NAMES, WORDS, WORDS, WORDS)
def test_words_around_a_tag_and_in_it_stay(name: str, before: str, inside: str, after: str) -> None:
    (text,), tags = cleaned(f"x{before}<{name} c='d'>{inside}</{name}>{after}y")
    assert (text, tags) == (" ".join(f"x{before}{inside}{after}y".split()), 2)


@few_examples
@given(st.lists(PAGES, max_size=4))
def test_the_tags_of_a_batch_are_those_of_its_pages(wikitexts: list[str]) -> None:
    assert cleaned(*wikitexts)[1] == sum(cleaned(text)[1] for text in wikitexts)
