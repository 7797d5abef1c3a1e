"""What a line shows by the compiled step is what the reference shows, unless the step gives up on the line."""

import pytest
from hypothesis import given

from pipeline.prose import lines as reference
from pipeline.prose.compiled import lines, marks, page
from pipeline.prose.signs import CONTROL, CUT, HEADING
from pipeline.prose.tags import plain_tags
from tests.helpers.wikitext import PAGES, SITE, few_examples


def shown(text: str) -> list[tuple[int, str, str]]:
    """The level of each line that stays, what it was without marks, and what it shows."""
    codes, places = page.take_marks(page.to_codes(text))
    before = [page.to_text(codes[start:end]) for _, start, end, _ in places.tolist()]
    codes = page.show_lines(codes, places)
    after = [page.to_text(codes[a:b]) if level != lines.GIVE_UP else "" for level, a, b, _ in places.tolist()]
    return list(zip(places[:, marks.LEVEL].tolist(), before, after, strict=True))


@few_examples
@given(PAGES)
def test_lines_show_what_the_reference_shows(text: str) -> None:
    for level, line, show in shown(plain_tags(CONTROL.sub(CUT, text), frozenset())[0]):
        if level > 0:
            assert HEADING + str(level) + show == reference.show_line(HEADING + str(level) + line, SITE)
        elif level != lines.GIVE_UP:
            assert show == reference.show_line(line, SITE)


@pytest.mark.parametrize(
    ("line", "show"),
    [
        ("no markup: (a) 'b' 5 > 4", "no markup: (a) 'b' 5 > 4"),
        ("[[dog]]s, [[Cat|cats]], [[A_b]] and [[#Part]]", "dogs, cats, A_b and #Part"),
        ("[http://x.example a label] and [https://x.example]", f"a label and {CUT}"),
        ("<b>a</b> <i><sub>b</sub></i> c", "a b c"),
        ("[[a|<b>b</b>]]<b>[http://x.example c]</b>", "bc"),
        ("&eacute; &amp;nbsp; &thetasym; AT&T", "é &nbsp; ϑ AT&T"),
        ("see http://x.example/a_b", "see http://x.example/a_b"),
    ],
)
def test_what_is_common_is_not_left_to_the_reference(line: str, show: str) -> None:
    assert shown(line) == [(0, line, show)]
    assert reference.show_line(line, SITE) == show


@pytest.mark.parametrize(
    "line",
    ["<li>a</li>", "[[a", "]] b", "{{", "<b>a", "<b><i>a</b></i>", "&#65;", "&zzz;", "[[a|[[b]]]]", "[mailto:a@b c]",
     "[[a%20b]]", "[http://a.example/\u3000b]", "[http://[::1]/ a]", "[[Media:a.ogg|b]]",
     "\x010\x02", "<b>" * (lines.MAX_DEPTH + 1) + "a" + "</b>" * (lines.MAX_DEPTH + 1)],
)  # fmt: skip
def test_what_is_rare_is_left_to_the_reference(line: str) -> None:
    [(level, _, _)] = shown(line)
    assert level == lines.GIVE_UP
