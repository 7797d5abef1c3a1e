"""A redirect is known by its text as MediaWiki knows it, in the words of every language."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.articles.article import Article, Dropped
from pipeline.source.redirects import WORDS, is_redirect
from tests.helpers.dumps import Page, make_dump, revision
from tests.helpers.sources import pages_of


@given(st.sampled_from(WORDS), st.sampled_from(["", " ", ":", " : "]), st.booleans(), st.booleans())
def test_each_word_redirects_in_any_case(word, between, upper, piped):
    spelt = word.replace("_", " ")
    spelt = spelt.upper() if upper and len(spelt.upper()) == len(spelt) else spelt
    assert is_redirect(f"#{spelt}{between}[[Target{'|label' if piped else ''}]]")
    assert is_redirect(f"\n＃{spelt}{between}[[Target#Section]]\n\n{{{{R from move}}}}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#REDIRECT",
        "#REDIRECT Target",
        "#REDIRECT [[]]",
        "#REDIRECT [[{{PAGENAME}}]]",
        "REDIRECT [[Target]]",
        "Text first. #REDIRECT [[Target]]",
        "# [[Target]]",
        "# REDIRECTED [[Target]]",
    ],
)
def test_other_texts_are_those_of_articles(text):
    assert not is_redirect(text)


REDIRECTS = [
    "#REDIRECT [[Bee]]", "#redirect [[Bee]]", "#WEITERLEITUNG [[Biene]]", "#Weiterleitung: [[Biene|b]]",
    "#REDIRECTION[[Abeille]]", "#REDIRECCIÓN [[Abeja]]", "#RINVIA [[Ape]]", "#DOORVERWIJZING [[Bij]]",
    "#PATRZ [[Pszczoła]]", "#перенаправление [[Пчела]]", "#ПЕРЕНАПРАВЛЕННЯ [[Бджола]]",
    "#OMDIRIGERING [[Bi]]", "\n #OHJAUS [[Mehiläinen]]", "#転送 [[ミツバチ]]", "＃リダイレクト [[ミツバチ]]",
    "#넘겨주기 [[꿀벌]]", "#重定向 [[蜜蜂]]", "#重新導向 [[蜜蜂]]", "#đổi [[Ong]]", "#เปลี่ยนทาง [[ผึ้ง]]",
    "#تحويل [[نحل]]", "#تغییر_مسیر [[زنبور]]", "#تغییر مسیر [[زنبور]]", "#הפניה [[דבורה]]",
    "#अनुप्रेषित [[मधुमक्खी]]", "#পুনর্নির্দেশ [[মৌমাছি]]", "#ÁTIRÁNYÍTÁS [[Méh]]", "#YÖNLENDİRME [[Arı]]",
    "#ALIH [[Lebah]]", "#PŘESMĚRUJ [[Včela]]", "#ΑΝΑΚΑΤΕΥΘΥΝΣΗ [[Μέλισσα]]", "#Преусмери [[Пчела]]",
]  # fmt: skip


def test_a_text_that_redirects_is_a_redirect_where_the_dump_has_no_element_for_it(tmp_path: Path) -> None:
    """Exports before schema 0.4, and those of other programs, have no `<redirect>`."""
    raw = [
        f"<page><title>T{number}</title><id>{number}</id>{revision(number, '2004-01-01T00:00:00Z', text)}</page>"
        for number, text in enumerate(REDIRECTS, 1)
    ]
    path = make_dump(tmp_path / "a.xml", [Page(number, "T", raw=text) for number, text in enumerate(raw, 1)])
    assert [page.reason for page in pages_of(path) if isinstance(page, Dropped)] == ["redirect"] * len(REDIRECTS)


@pytest.mark.parametrize(
    "text",
    [
        "# [[Bee]] is the first of a list",
        "#REDIRECT Bee",
        "#REDIRECTED [[Bee]]",
        "The #REDIRECT [[Bee]]",
        "#REDIRECT []",
    ],
)
def test_what_only_looks_like_a_redirect_is_an_article(tmp_path: Path, text: str) -> None:
    [page] = pages_of(make_dump(tmp_path / "a.xml", [Page(1, "T", text)]))
    assert isinstance(page, Article)
