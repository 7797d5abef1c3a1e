"""The compiled tokens are those that the reference cutter stops at, up to where it goes on, and mean the same."""

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from pipeline.articles.site import Site
from pipeline.prose.compiled import page, tokens
from pipeline.prose.cut import _Cutter, drops_link, set_aside
from pipeline.prose.deadline import Deadline
from pipeline.prose.signs import ASIDE_OPEN, CONTROL, CUT
from tests.helpers.wikitext import CHINESE, PAGES, SITE, TEX, few_examples

SITES = st.sampled_from([SITE, CHINESE, TEX])
HARD_LETTERS = "\u0130\u0131\u017f\u212a"  # other cases of i, s and k


class Recorder(_Cutter):
    """Notes the kind of each token, where it starts, and where the reference goes on."""

    def __init__(self, text: str, site: Site) -> None:
        super().__init__(text, site, Deadline(math.inf))
        self.seen: list[tuple[int, int, int]] = []
        self.run()

    def _token(self, match: re.Match[str]) -> int:
        depth, end, mark = len(self.stack), super()._token(match), match[0].strip(" \t:*#;")
        ends = {"}}": tokens.END_BRACES, "]]": tokens.END_LINK, "}-": tokens.END_VARIANT, "|}": tokens.END_TABLE}
        if mark in ("-{", "}-") and self.language is None:
            kind = tokens.PLAIN
        elif mark[:2] in ends:
            kind = ends[mark[:2]]
        elif (match["tag"] or "").lower() == "table" and match["slash"]:
            kind = tokens.END_TABLE
        elif len(self.stack) > depth:
            kind = getattr(tokens, self.stack[-1].kind.name)
        else:
            kind = {CUT: tokens.HOLE, ASIDE_OPEN: tokens.NOWIKI}.get(self.out[-1][0], tokens.PLAIN)
        self.seen.append((kind, match.start(), end))
        return end


@few_examples
@given(PAGES | st.text(st.sampled_from("<>/!-nowikref " + HARD_LETTERS), max_size=60), SITES)
def test_tokens_start_and_end_where_the_reference_says(text: str, site: Site) -> None:
    text = CONTROL.sub("", text)
    found = page.tokenize(page.to_codes(text), site)
    if found is None:
        assert re.search(f"</[a-zA-Z{HARD_LETTERS}]*[{HARD_LETTERS}]", text)
        return
    rows, asks = found
    reference = Recorder(text, site)
    assert rows[:, : tokens.FROM].tolist() == [list(token) for token in reference.seen]
    aside = [rows[number].tolist() for number in asks if rows[number, tokens.KIND] == tokens.NOWIKI]
    names = [re.sub("[^a-z]", "", text[start:].lower()[:8].partition(">")[0].split()[0]) for _, start, *_ in aside]
    content = [text[first:last] for *_, first, last in aside]
    assert list(map(set_aside, names, content)) == reference.aside


@few_examples
@given(PAGES)
def test_python_is_asked_about_each_link_that_may_be_hidden(text: str) -> None:
    text = CONTROL.sub("", text)
    found = page.tokenize(page.to_codes(text), SITE)
    assert found is not None or set(text) & set(HARD_LETTERS)
    rows, asks = found or ([], [])
    for number, (kind, start) in enumerate(row[:2] for row in rows):
        if kind == tokens.LINK and drops_link(text, start, SITE):
            assert number in asks


@few_examples
@given(st.text(st.sampled_from("a\x00\t\n\x0b\r\x1f\x7f\x80\x9f\xa0\ufeff\U0001feff"), max_size=6))
def test_control_characters_are_noticed(text: str) -> None:
    assert tokens.has_control(page.to_codes(text), page.classes()) == bool(CONTROL.search(text))
