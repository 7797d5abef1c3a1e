"""What cleaning leaves over, tears open and loses is counted, each by its kind; and on real dumps it is little."""

import json

import pytest

from benchmarks.clean_text import HOLES, LEFTOVERS, Page, gaps, main, measure, prose
from pipeline.articles.article import Article
from pipeline.articles.site import Site
from pipeline.prose.clean import clean_by_reference as clean
from tests.helpers import ROOT, SHARED
from wikilm.cli import run

CORPUS = ROOT / "corpus" / "miniwiki-pages-articles-multistream.xml.bz2"
SITE = Site("ltg", "Vikipedeja", "ltgwiki", ((0, ""), (6, "Fails"), (14, "Kategoreja")))

LEFT = {
    "quotes": ["an ''italic word", "'''bold"],
    "brackets": ["a [[link", "a link]]"],
    "braces": ["a {{template", "a }}"],
    "tables": ["{| class=x", "|}"],
    "pipes": ["| a cell", "! a head", "thumb|left"],
    "tags": ["a<br/>b", "<div class='x'>", "</small>", "<h2>"],
    "comments": ["<!-- a"],
    "entities": ["a&nbsp;b", "&#160;", "&#xA0;"],
    "magic words": ["__NOTOC__", "__БЕЗ_ОГЛАВЛЕНИЯ__"],
    "headings": ["== A heading =="],
    "files and categories": ["Fails:Ant.jpg", "see Kategoreja:Ants", "File:Ant.jpg"],
}
TORN = {
    "empty brackets": ["ant ( ) b", "ant () b", "ant (, ; ) b", "蟻（、）b"],
    "space in brackets": ["ant ( b)", "ant (b )"],
    "separator in brackets": ["ant (, b)", "ant (b,)"],
    "space before a comma": ["ant , b", "ant ;b"],
    "space before a stop": ["an ant . And", "an ant ."],
    "empty quotes": ['ant "" b', "ant “” b", "ant « » b", "蟻「」b"],
    "dangling dash": ["ant (– b)", "ant (b –)", "ant —, b", "ant – "],
    "doubled separators": ["ant,, b", "ant, ; b"],
    "doubled spaces": ["ant  b", "ant \u00a0b"],
    "missing words": ["it lies between and Riga", "the height is, all in all", "consists of. And"],
}


def found(text: str, wikitext: str = "") -> Page:
    return measure(Article(1, 1, "Ant", wikitext), text, SITE)


def test_every_kind_is_tried() -> None:
    assert LEFT.keys() == {*LEFTOVERS, "files and categories"}
    assert TORN.keys() == HOLES.keys()


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in LEFT.items() for text in texts])
def test_what_is_left_over_is_counted(kind: str, text: str) -> None:
    page = found(f"First\n{text}\nlast", wikitext=text)
    assert page.leftovers[kind] >= 1
    assert page.wanted == 0
    assert any(excerpt.startswith(kind) and "⟦" in excerpt for excerpt in page.excerpts)


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in TORN.items() for text in texts])
def test_holes_are_counted(kind: str, text: str) -> None:
    assert found(f"First\n{text}\nlast").holes[kind] == 1


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in TORN.items() for text in texts])
def test_holes_that_the_author_typed_are_told_apart(kind: str, text: str) -> None:
    page = found(text, wikitext=f"'''First'''\n{text}\n[[last]]")
    assert page.holes[kind] == 0
    assert page.typed == 0 if kind == "missing words" else page.typed >= 1


def test_a_hole_that_a_cut_has_left_is_ours() -> None:
    assert found("the ant .", "the ant <ref>x</ref>.").holes["space before a stop"] == 1
    assert found("the ant .", "the ant .<ref>x</ref>").typed == 1


def test_a_hole_that_a_cut_would_leave_and_cleaning_does_not_is_closed() -> None:
    wikitext = 'the ant {{x}}, the "{{y}}" bee ({{z}}) and the wasp (big )'
    page = found(clean(wikitext, SITE), wikitext)
    assert (page.closed, page.holes.total(), page.typed) == (3, 0, 1)
    assert found("the ant , b", "the ant {{x}}, b").closed == 0


def test_in_good_prose_there_is_nothing() -> None:
    text = (
        'Ants (Formicidae) live in and on the ground; 3 < 4, f(x) = y, AT&T, a | b, "it\'s", e.g. 1,5 %.\n\n'
        "Heading\nThe ratio 3:4 holds (see below). File formats: many! It was."
    )
    page = found(text, wikitext=text)
    assert (page.leftovers.total(), page.holes.total(), page.wanted, page.typed) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "wikitext",
    ["the tag &lt;b&gt; is", "the tag <nowiki><b></nowiki> is", "the tag <nowiki/><nowiki><</nowiki>b> is",
     "the tag <'''b'''> is", "the tag {{code|<b>|lang=html}} is"],
)  # fmt: skip
def test_markup_that_is_to_be_read_is_told_apart(wikitext: str) -> None:
    page = found("the tag <b> is", wikitext)
    assert (page.wanted, page.leftovers.total()) == (1, 0)
    assert found("the tag <b> is <b>", wikitext).leftovers["tags"] == 1


def test_a_link_to_a_category_is_to_be_read_and_a_category_is_not() -> None:
    assert found("see Kategoreja:Ants", "see [[:Kategoreja:Ants]]").wanted == 1
    assert found("see Kategoreja:Ants", "see [[Kategoreja:Ants]]").leftovers["files and categories"] == 1


SENTENCE = (
    "The '''ant''' is a [[small]] animal which lives in a nest with very many others of its own kind{0} in the wood."
)
PROSE = clean(SENTENCE.format(""), SITE).rstrip(".").split()


def test_prose_is_what_strip_code_keeps_of_whole_sentences() -> None:
    aside = SENTENCE.format("")
    wikitext = "\n".join(
        [
            SENTENCE.format("<ref>Not [[this]] one.</ref>{{x|nor this}}<!-- nor that -->"),
            f"<div>\n{{|\n| {aside}\n|}}\n</div>",
            f"[[Fails:Ant.jpg|{aside}]]",
            f"[[Kategoreja:Ants|{aside}]]",
            f"broken | {aside}",
            "Too short a line.",
            aside.replace(".", ""),
        ]
    )
    assert prose(wikitext, SITE) == [PROSE]


def test_lost_words_and_pairs_are_counted() -> None:
    wikitext = f"{SENTENCE.format('')}\n\n{SENTENCE.format(' and another')}"
    whole = found(clean(wikitext, SITE), wikitext)
    assert whole.words == whole.words_kept == 2 * len(PROSE) + 2
    assert whole.pairs == whole.pairs_kept == 2 * len(PROSE)
    half = found(" ".join(PROSE), wikitext)
    assert half.words_kept == len(PROSE)
    assert half.lost[:2] == PROSE[:2]
    turned = found(" ".join(PROSE[::-1]), SENTENCE.format(""))
    assert (turned.words_kept, turned.pairs_kept) == (len(PROSE), 0)


def test_gaps_are_templates_that_give_no_words_to_their_sentence() -> None:
    wikitext = "The height is {{val|3|u=m}} or <math>h</math> at {{coord|1|2}}, says X.{{sfn|X}}\n{{Infobox}}\nAnt."
    assert list(gaps(wikitext, SITE)) == ["<math>", "coord"]


def test_gaps_are_found_where_no_spaces_part_words() -> None:
    wikitext = "作曲は{{仮リンク|ジョン|en|John}}が担当した。また{{読めない|x}}を、"
    assert list(gaps(wikitext, SITE)) == ["仮リンク", "読めない"]
    assert list(gaps(wikitext, Site("ja", database="jawiki"))) == ["読めない"]


def test_the_bundled_corpus_is_within_the_limits(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, "benchmark", ["--worst", "1", "--gaps", str(CORPUS)]) == 0
    [figures] = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["articles"] > 100
    assert figures["failed"] == 0
    assert figures["words"] > 0.99


@pytest.mark.parametrize("limit", [["--max-leftovers", "-1"], ["--max-holes", "-1"], ["--min-words", "1.1"]])
def test_over_a_limit_it_fails_in_one_line(limit: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, "benchmark", ["--every", "20", *limit, str(CORPUS)]) == 1
    assert capsys.readouterr().err == (
        f"benchmark: error: over the limits: {CORPUS.name}; the pages above show where\n"
    )


def test_a_page_that_cannot_be_cleaned_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*args: object, **options: object) -> str:
        raise ValueError("too deep")

    monkeypatch.setattr("pipeline.prose.cleaner.clean", fail)
    assert run(main, "benchmark", ["--every", "100", str(CORPUS)]) == 1  # no words are kept
    assert "too deep" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "every"), [("enwiki-20160501-sample", 9), ("ltgwiki-20170901", 1), ("viwiki-20230501-sample", 19)]
)
def test_real_dumps_are_within_the_limits(name: str, every: int, capsys: pytest.CaptureFixture[str]) -> None:
    path = SHARED / f"{name}-pages-articles-multistream.xml.bz2"
    if not path.exists():
        pytest.skip(f"{path.name} is not here: WIKILM_SHARED names the folder that has data/")
    assert run(main, "benchmark", ["--every", str(every), str(path)]) == 0, capsys.readouterr().out
