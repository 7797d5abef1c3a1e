"""Wikitext becomes prose: what a reader of the page would read stays, what surrounds it goes, in linear time."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.articles.site import Site
from pipeline.prose.clean import clean_by_reference
from pipeline.prose.clean import clean_compiled as clean
from tests.helpers.wikitext import CHINESE, SITE, TEX

CASES = {
    # bold and italic, as MediaWiki pairs the quotes
    "'''Bold''' and ''italic'' and '''''both'''''.": "Bold and italic and both.",
    "L'''Arc''' de l''''Etoile'''": "LArc de l'Etoile",
    "the dog's ''bone''s": "the dog's bones",
    "l'''amour'' et x": "l'amour et x",  # one bold was an apostrophe and italic
    "'''the ''ox'''s tail'''": "'the oxs tail",  # so is one at the start of a line
    "a '''b ''c''\u00a0'''d": "a b c\u00a0d",
    # links
    "[[dog]]s, [[Cat|cats]] and [[:Category:Ants]] of [[A_b]]": "dogs, cats and Category:Ants of A_b",
    "[[a| ]]b [[a|<nowiki/>]]c [[::fr:x]] [[: fr:x]]": "b c ::fr:x fr:x",  # a label that is blank
    "[[:File:x.png]] and [[#History]] of [[:Category:Ants|ants]], [[:#x]]": "File:x.png and #History of ants, #x",
    "[[Media:song.ogg|the song]] and [[media:song.ogg]], [[Help:x.png|help]]": "the song and media:song.ogg, help",
    "[[New%20York]] [[100% proof]] [[C%C3%A9]] [[%5B%5B]] [[%ff]]": "New York 100% proof Cé %5B%5B %ff",
    "[[5%2525 b]] [[x%23%3Ey]] [[%3Ey%23x]] [[%23a%0Ab]]": "5%2525 b x#>y %3Ey%23x %23a%0Ab",
    "[[d''o]] and ''[[d''o|x ''y'' z]]''": "d''o and x y z",
    "[[Paris, Texas|]]": "Paris, Texas",
    "[[Help:Contents|]]": "Contents",
    "[[a|b\nc]]": "b c",
    "[http://x.example label], [//y.example], [mailto:a@b me]": "label, me",
    "[http://a.example/\u3000題名] [http://a.example''Title'' of] [//a.example/<b>b</b>]": "題名 Title of b",
    "[http://[2001:db8::1]/x home] [http://[2001:db8::1]/x] http://[2001:db8::1]/x": "home http://[2001:db8::1]/x",
    "[http://x.example unclosed": "http://x.example unclosed",
    "[http://x.example [1] [http://x.example/a[b] [//x.example<x>c]": "[1 [b <x>c",
    "[http://x.example [[a]] (b) [[c|d]]] [note: e [mailto:f@g h] i": "a (b) d [note: e h i",
    "[http://x.example a [http://y.example b": "http://x.example a http://y.example b",
    "[// c] and [//] and [//": "[// c] and [//] and [//",
    "array[1][2] and [sic]": "array[1][2] and [sic]",
    "a [[unclosed link and more": "a unclosed link and more",
    # files and categories, by the names of the wiki and by the canonical ones
    "a[[Fails:x.png|thumb|A [[b]] caption {{c}}]] b": "a b",
    "[[File:x.png]][[image:y.svg|10px]][[Kategoreja:Z]][[CATEGORY : Z]]a": "a",
    "[[Hình:x.jpg|thumb|an alias that siteinfo does not list]]a": "a",
    "[[File:x.png|thumb|never closed\nnext line": "next line",
    "Foo [[Star Trek: The Film]]": "Foo Star Trek: The Film",
    # other languages
    "a\n[[de:Hund]]\n[[zh-yue:狗]] [[simple:Dog]]": "a",
    "see [[de:Hund]] and [[:fr:Chien]]": "see and fr:Chien",
    "a\n[[ES : Perro]]\n [[es:Perro]] [[Zh-Min-Nan:Káu|x]]\n[[_es:b]]": "a",
    "[[CSI: Miami]], [[ltg:Suņs]] and [[es:Perro and": "CSI: Miami, ltg:Suņs and es:Perro and",
    # templates
    "a {{b|c={{d|[[e]]}}\n|f}} g": "a g",
    "a {{{1|b}}} c {{#if:x|y|z}} d": "a c d",
    "{{{{a}}}} b": "b",
    "{{{nowrap|a}}, {{nowrap|{b}}} {{{c}}, {{d}}} e{{{1}}}}, {{{2}} f": "{a, {b} e}, { f",  # one brace is text
    "a }} b {{ c": "a b c",
    "{{lang|de|[[Hund]]}} {{lang-fr|chien}} {{langx|es|perro}}": "Hund chien perro",
    "{{convert|100|km|mi}}, {{convert|6|ft|2|in|m|abbr=on}}, {{cvt|5|to|10|C|F}}": "100 km, 6 ft 2 in, 5 to 10 °C",
    "{{nowrap|a {{nowrap|b}}}} {{formatnum:1234.5}} {{transl|ru|ISO|sobaka}} {{val|1.5|e=6|u=m}}":
        "a b 1234.5 sobaka 1.5 × 10^6 m",
    # tables, references and other extensions
    "a\n{| class=x\n|-\n! b\n| c\n{|\n| d\n|}\n|}\ne": "a\ne",
    "a\n:{|\n| c\n|}\ne": "a\ne",
    "a <table><tr><td>b<table>c</table></td></tr></table> d": "a\nd",
    "ab<table></table>cd\n(e <table>f</table>\n{{{!}} class=g\n|}\n{{x}} | h": "ab\ncd\n(e",
    "a\n{|\n| never closed\n\n== B ==\nc": "a\n\nB\nc",
    "a<ref>b</ref>.<ref name=\"c\" /> <REF group='d'>{{e}} [[f]]</REF> g": "a. g",
    "a<ref name=x>never closed": "anever closed",
    "a <math>x^2</math> b <syntaxhighlight lang=c>d</syntaxhighlight><gallery>\nFile:x.png|y\n</gallery>": "a b",
    "a\n<pages index='b.djvu' from=1 />\nc <pagelist 1to4=roman/><pagequality level='4' user='d'/>e": "a\nc e",
    "a <tabber>\n|-|b=c\n</tabber><infobox>d</infobox><youtube>e</youtube><DPL>\nf=g\n</DPL> h": "a h",
    "<languages/>\n<translate><!--T:1--> A <tvar name=b>[[c]]</tvar> <tvar|d>e</>\n\nf</translate>": "A c e\n\nf",
    "<poll>\na?\nb\n</poll>\n<langconvert from=de to=fr>c</langconvert> <spoiler>d</spoiler> <nosuch>": "c d <nosuch>",
    "<references>\n<ref>a</ref>\n</references>": "",
    # comments, nowiki, magic words, variants
    "a<!-- b -->c\n<!-- d -->\ne<!-- f": "ac\ne",
    "<nowiki>[[a]] ''b'' {{c}} &amp; <|endoftext|></nowiki>": "[[a]] ''b'' {{c}} & <|endoftext|>",
    "<nowiki>* a</nowiki><nowiki/>": "* a",
    "__NOTOC__a __БЕЗ_ОГЛАВЛЕНИЯ__ b __目次__ c __init__ __notoc__": "a b c __init__",
    "-{zh-hans:汉; zh-hant:漢}- x -{{{b}}} y": "-{zh-hans:汉; zh-hant:漢}- x - y",  # no language with variants
    "2-{4-[phenyl]butyl}-1H-indole, 1-{2-[[a]]}-b": "2-{4-[phenyl]butyl}-1H-indole, 1-{2-a}-b",
    # HTML and entities
    "a<br>\n<br>b\n<br clear=all>\n*<br>\nc<hr>* d": "a\nb\nc\n* d",
    "'''a<br>b''' [[c|d<br>e]] [http://x.example f<br/>g]\n|<br>": "a\nb d\ne f\ng",
    "== A<br>B ==\nc\n== <div>D</div> ==\ne": "A B\nc\nD\ne",
    "a<br/>b<br>c <span style='x'>d</span> H<sub>2</sub>O <b>e": "a\nb\nc d H2O e",
    "a <span style=\"display:none\">b</span> c": "a c",
    "&lt;b&gt; &amp;nbsp; &eacute;&#233;&#xe9; &apos; &zzz; AT&T": "<b> &nbsp; ééé ' &zzz; AT&T",
    "a&#0;&#1;&#xFEFF;&#x110000;&#x85;0&#x3;": "a&#0;&#1;&#x110000;&#x85;0&#x3;",
    "&lrm;a &#10;b&#9;c &NewLine;d &רלמ;e &רל;": "\u200ea b c d \u200fe &רל;",  # a line feed is a space
    "&#128;&#13;&#127; &#160;&#9;&#x7E;&#xA1;": "&#128;&#13;&#127; \u00a0 ~¡",  # not €
    "a&#xD83D;&#55357; &#xFFFF;&#XE9;&#x1F600; &amp &#65": "a&#xD83D;&#55357; &#xFFFF;é😀 &amp &#65",
    "<nowiki>&#xD83D;&#x27; &amp &lt;</nowiki>": "&#xD83D;' &amp <",
    "see http://a.example/?b&amp;c=2 and [http://a.example/?b&amp;c d&amp;e]": "see http://a.example/?b&c=2 and d&e",
    "1 < 2, a <- b, <n> and <foo@example.org>": "1 < 2, a <- b, <n> and <foo@example.org>",
    "<b_c>d</b_c> <i:x> <p|>e<sub→>f</sub→> <sup\n/>g</sub\n>": "<b_c>d</b_c> <i:x> <p|>e<sub→>f</sub→> g",
    "<noinclude><!-- x --></noinclude>== A ==\n<span <noinclude>id=b</noinclude>>c</span>": "A\nc",
    "<blockquote>a</blockquote>b": "a\nb",
    "<ul><li>a</li> <li>b<br>c</li></ul>d\n<ol>\n<li>e\n<li> {{x}}\n<li> f </li>\n</ol>\ng": "a\nb\nc\nd\n\ne\nf\n\ng",
    "== <li>a</li> ==\n<dl><dt>b<dd>c</dl>": "a\nb\nc",
    # lines
    "* a\n** b\n# c\n:: d\n; e": "a\nb\nc\nd\ne",
    " a \n\n\n\nb\n----\nc": "a\n\nb\nc",
    "a\r\nb\rc\x00\ufeff\x03d": "a\nb\ncd",
    # headings
    "== A ==\na\n=== ''B'' <!-- x --> ===\nb\n==C==<!-- y -->\nc": "A\na\nB\nb\nC\nc",
    "a\n== Empty ==\n== B ==\nb\n=== Empty ===\n==== Empty ====\n== References ==\n{{reflist}}\n": "a\nB\nb",
    "== A ==\n=== B ===\nb": "A\nB\nb",
    "= a = b": "= a = b",
    "= a = [[b]]\n== c == <s></s>d": "= a = b\n== c == d",
    # holes
    "Ant ({{IPA-de|x}}; born 1950) b": "Ant (born 1950) b",
    "Ant ({{x}}) b, ( ) c (, ) d ({{a}}, {{b}}; {{c}}). e": "Ant b, c d. e",
    "a, {{b}}, c; {{d}}. e {{f}} g {{h}}": "a, c. e g",
    "f() and (a, ) remain": "f() and (a, ) remain",
    "（{{a}}）漢、{{b}}、字": "漢、字",
    "{{a}}, b": "b",
    'a "{{x}}" b «{{x}}» c „{{x}}“, 「{{x}}」d『{{x}}』《{{x}}、{{y}}》 ("{{x}}") e': "a b c, d e",
    "a [{{x}}] 【{{x}}】b〔{{x}}、{{y}}〕 [] {{{x}}} c": "a b [] c",  # brackets, too
    "a ({{x}}/{{y}}), ({{x}}-{{y}}) ({{x}}/b) (b/{{x}}) ( - ) /c/ {{x}} /d/": "a, (b) (b) ( - ) /c/ /d/",
    "'{{x}}' a '{{x}}' b'{{x}}'s (it '{{x}}'.)": "a b's (it.)",
    "हिन्दी {{x}}। अ {{x}}؟ b {{x}} … c、{{x}}・{{y}}・d": "हिन्दी। अ؟ b … c、d",
    "<!-- x -->...a\n{{x}}... b\n<!-- x -->.5 kg\n{{x}}. c\n{{x}} .\n{{x}}。d": "...a\n... b\n.5 kg\nc\nd",
    '"a"{{x}}"b" and "c" {{x}} "d", 5" {{x}} "e", «f» {{x}} «g», "" k':
        '"a""b" and "c" "d", 5" "e", «f» «g», "" k',
    "»{{x}}« a »b«{{x}}»c«": "a »b«»c«",
    "(Бонн — {{y}}, Рим), (a – {{x}}) b — {{x}} — c; ({{x}} – 1950) d—{{x}}, e - {{x}}. f — {{x}}":
        "(Бонн, Рим), (a) b — c; (1950) d, e. f",
    "{{x}} – a, 1914–{{x}}, b — {{x}} c, pre- {{x}}, (– d)": "a, 1914–, b — c, pre-, (– d)",
    "One.[[File:x.png|thumb|y]]Two [[File:z.svg|9px]] three([[File:x.png]]四[[File:x.png]]五)": "One. Two three(四五)",
    "a[[Category:x]]b \"c.\"[[File:x.png]]D \"[[File:x.png]]e\"": "ab \"c.\" D \"e\"",
    "<!-- x -->* a\n*<!-- y -->* b<!-- z -->\n<!-- x --><!-- y -->{|\n| c\n|}\nd": "a\nb\nd",
    ": <math>x</math>.\na": "a",
}  # fmt: skip


@pytest.mark.parametrize("wikitext", CASES)
def test_a_reader_reads_the_prose(wikitext: str) -> None:
    assert clean(wikitext, SITE) == clean_by_reference(wikitext, SITE) == CASES[wikitext]


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("-{zh-hans:汉; zh-hant:漢}- -{a}- -{T|title}- x -{{{b}}} y", "汉 a x - y"),
        ("[[-{zh-cn:a;zh-tw:b}-|c]] [[d|-{zh-cn:a;zh-tw:b}-]] -{zh-hans;zh-hant|x}-", "c a x"),
        ("-{Star Wars: A New Hope}- -{a -{b}- {{c}}", "Star Wars: A New Hope -{a b"),
    ],
)
def test_variants_of_a_language_are_read_where_the_wiki_has_them(wikitext: str, text: str) -> None:
    assert clean(wikitext, CHINESE) == clean_by_reference(wikitext, CHINESE) == text


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        (
            "a <math>x^2\n + y</math>, (<ce>H2O</ce>) or <CHEM display=block>H+</chem>.",
            "a $x^2 + y$, ($\\ce{H2O}$) or $\\ce{H+}$.",
        ),
        (":<math>1 &lt; 2</math>\n* {{nowrap|a <math>{b}|c</math>}} [[d|<math>e</math>]]", "$1 < 2$\na ${b}|c$ $e$"),
        ("a<ref><math>x</math></ref> <math/>b <math></math>(<math>never", "a b (never"),
        ("<nowiki>''<math>x</math></nowiki> <!--<math>y</math>--> <score>z</score>", "''<math>x</math>"),
        ("== <math>x</math> ==\n<math>y</math>\n{|\n|<math>z</math>\n|}", "$x$\n$y$"),
    ],
)
def test_formulas_stay_as_tex_where_they_are_asked_for(wikitext: str, text: str) -> None:
    assert clean(wikitext, TEX) == clean_by_reference(wikitext, TEX) == text
    assert "$" not in clean(wikitext, CHINESE)


def test_names_of_namespaces_are_those_of_the_wiki_alone() -> None:
    assert clean("[[Fails:x]]a [[Kategoreja:y]]", SITE) == "a"
    assert clean("[[Fails:x]]a [[Kategoreja:y|z]]", Site()) == "Fails:xa z"
    assert clean("[[File:x]]a", Site()) == "a"


WORDS = st.sampled_from(
    [
        "a", "word", " ", "\n", "\n\n", "'", "''", "'''", "[[", "]]", "[", "]", "|", "{{", "}}", "{{{", "}}}",
        "{|", "\n{|", "\n|}", "<ref>", "</ref>", "<b>", "</b>", "<div>", "</div>", "<table>", "</table>", "<br>",
        "<nowiki>", "</nowiki>", "<!--", "-->", "<span style='display:none'>", "</span>", "File:", "Kategoreja:",
        "x.png", "de:", ":", "*", "#", ";", "==", "=", "\n==", "==\n", "(", ")", ",", ".", "&amp;", "&#1;",
        "&#91;", "&", "-{", "}-", "__TOC__", "_", "http://e.example", "lang", "convert", "<", ">", "/", "漢",
        "\x01", "0", "\x02", "\x03", "\x04", "1", "\t", "\u00a0", "\u2028", "----",
    ]
)  # fmt: skip


@settings(max_examples=400)
@given(st.lists(WORDS, max_size=40).map("".join), st.sampled_from([SITE, CHINESE, TEX]))
def test_whatever_comes_in_what_comes_out_is_tidy(wikitext: str, site: Site) -> None:
    text = clean(wikitext, site)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff]", text)
    assert "\n\n\n" not in text
    assert text == text.strip("\n")
    assert not re.search(r"[ \t]$|  ", text, re.MULTILINE)
    if "nowiki" not in wikitext and "&" not in wikitext:
        assert not re.search(r"\[\[|\]\]|\{\{|\}\}|</?(?:b|div|span|ref|table|br)>|<!--", text)
        assert "''" not in text or re.search(r"\[\[[^\[\]|]*''", wikitext)  # the target of a link


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("a-{__TOC__{|", "a-|"),
        ("a [<ref>b</ref> [c", "a c"),
        ("b }<!-- --> } c", "b c"),
        ("it'<ref>x</ref>'s", "it's"),
        ("it'<b>'s", "it's"),
        ("a]][[]]]] b", "a b"),  # an empty link, or a tag, shows nothing
        ("a {<b>{</b> b", "a b"),
        ("a ]<b>]</b> [x [[y|<b>]</b>]]] b", "a [x b"),
        ("a ]{<ref/>{] b {]<ref/>]{ c", "a b c"),  # those that come together when others have gone
        ("a {<b>[</b><b>[</b>{ b", "a b"),
        ("a &#91;&lsqb;&#39;&apos;&lcub;&#123; b", "a [[''{{ b"),  # what an entity means is text
    ],
)
def test_what_something_that_goes_has_kept_apart_does_not_become_markup(wikitext: str, text: str) -> None:
    assert clean(wikitext, SITE) == clean_by_reference(wikitext, SITE) == text


@settings(max_examples=100)
@given(st.lists(st.text("abcdefgh', é漢", min_size=1, max_size=30).map(str.strip).filter(bool), min_size=1, max_size=5))
def test_prose_without_markup_stays_as_it_is(lines: list[str]) -> None:
    lines = [re.sub(r"[' ]{2,}", " ", line).strip() or "x" for line in lines]
    assert clean("\n".join(lines), SITE) == "\n".join(lines)


HOSTILE = [
    "{{", "[[", "{{{", "\n{|", "<ref>", "<ref", "<b>", "<div>", "<table>", "<!--", "<nowiki>", "-{", "[[a|",
    "[[File:", "{{lang|de|", "[http://x ", "[//", "<a ", "<a href='", "<b><i>", "<span style='display:none'>",
    "''", "'''", "'''''x", "=", "= ", "*", ",", "(", "( ", " ", "&", "&#", "__", "__A", "]]", "}}", "(<ref/>",
    "<ref/>, ", "[[a]]", "{{a}}", "<b>[[a|", "[[a|[http://x ", "</b><b>",
]  # fmt: skip


@pytest.mark.parametrize("bait", HOSTILE)
def test_time_is_about_linear_in_the_text_whatever_it_holds(bait: str) -> None:
    """Ten times the text takes some ten times the time; what is quadratic takes a hundred times, and many seconds."""

    def seconds(text: str) -> float:
        start = time.process_time()
        clean(text, CHINESE)
        return time.process_time() - start

    few = min(seconds(bait * 2000) for _ in range(3))
    # CPU time, and the best of three: a machine that is busy with much else makes any one of them look long.
    assert any(seconds(bait * 20_000) < max(2.0, 60 * few) for _ in range(3))


@pytest.mark.parametrize(
    ("start", "end"),
    [("{{", "}}"), ("{{lang|de|", "}}"), ("[[a|", "]]"), ("<b><i>", "</i></b>"), ("<div>", "</div>"),
     ("-{", "}-"), ("(", ")"), ("\n{|\n|", "\n|}"), ("<ref>", "</ref>"),
     ("[http://a ", "]"), ("<table>", "</table>"), ("''", "''")],
)  # fmt: skip
def test_depth_is_no_danger(start: str, end: str) -> None:
    begun = time.process_time()
    text = clean("before\n" + start * 20_000 + "x" + end * 20_000 + "\nafter", CHINESE)
    assert time.process_time() - begun < 60  # what is quadratic takes longer than anyone waits
    assert text.startswith("before")
    assert text.endswith("after")
