"""Wikitext as nobody writes it: pieces that mean something to a cleaning step, put together at random."""

import os
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st

from pipeline.articles.site import Site

few_examples = settings(max_examples=30 if os.environ.get("NUMBA_DISABLE_JIT") == "1" else 300)  # of plain Python fewer
SITE = Site("ltg", "Vikipedeja", "ltgwiki", ((0, ""), (6, "Fails"), (14, "Kategoreja"), (10, "Veidne")))
CHINESE = Site("zh", "維基百科", "zhwiki", SITE.namespaces)  # a language with variants
TEX = replace(CHINESE, formulas="tex")  # whose formulas stay
PIECES = [
    # what a line is made of
    "a", "word", " ", "  ", "\n", "\n\n", "'", "''", "'''", "'''''", "(", ")", "（", "）", ",", ".", "、",
    "。", "!", "?", "»", '"', "0", "1", "\t", "\u00a0", "\u2028", "\u3000", "漢", "é", "😀", "ſ", "K", "_",
    "-", "--", "----", "~~~~", "x=1",
    # links and addresses
    "[[", "]]", "[", "]", "|", "[[a|b]]", "[[a]]", "[[a|", "[[A_b]]", "[[#x]]", "[[:fr:x]]", "File:",
    "Kategoreja:", "Image:é.jpg]]", "é.jpg|", "de:", "zh:", ":", "//", "http://e.example",
    "[http://e.example", " label]", "https://x", "mailto:", "news:", "ftp://",
    "[[es:b]]", "[[#", "%20", "//[::1]/", "“", "”", "«", "「", "」", "–", " — ",
    "【", "】", "・", "...", "।", "&#10;", "{{!}}", "&רלמ;",
    # templates, tables, variants
    "{", "}", "{{", "}}", "{{{", "}}}", "{{x}}", "{{x|", "lang", "convert|", "{{lang|de|", "{{nbsp}}",
    "{{ruby|", "仮リンク|", "{{own|", "{{Veidne:", "{{box|", "{{en|",
    "{|", "\n{|", "\n|}", "|-", "\n|", "-{", "}-", "-{zh-hans:a; zh-hant:b}-",
    # tags and comments
    "<", "</", ">", "/", "<ref>", "</ref>", "<ref name=x/>", "<REF group=a>", "</ReF >", "<b>", "</b>",
    "<i>", "</i>", "<sub>", "</sub>", "<small>", "</small>", "<wbr>", "</wbr>", "<code>", "</code>",
    "<noinclude>", "</noinclude>", "<div>", "</div>", "<li>", "</li>", "<table>", "</table>", "<br>",
    "<hr/>", "<span>", "<span style='display:none'>", "</span>", "<a href='x'>", "<nowiki>", "</nowiki>",
    "<nowiki/>", "<!--", "-->", "__TOC__", "<math>", "</math>", "<ce>x</ce>", "<b|>", "&lt;",
    "<foo>", "</foo>", "<foo/>", "<Foo-1 a='{{x}}' b=c>", "</foo-1 >", "</code >", "\n <foo>",
    # entities
    "&", "&amp;", "&nbsp;", "&thetasym;", "&lt;", "&eacute;", "&fnof;", "&zzz;", "&#1;", "&#91;",
    "&#x41;", "&#0065;",
    # marks for lines, and control characters
    "*", "#", ";", "==", "=", "\n==", "==\n", "\n* ", "\n: ", "\n:{|", "\r\n", "\r", "\x01", "\x02",
    "\x03", "\x04", "\x0b", "\x85", "\ufeff",
]  # fmt: skip
JAPANESE = Site("ja", "Wikipedia", "jawiki", SITE.namespaces, templates=(("own", "{2}"), ("box", "convert")))
# Some pieces often: a page of all of them has hardly a line that is simple.
PAGES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).flatmap(
    lambda few: st.lists(st.sampled_from(few), max_size=40).map("".join)
) | st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
