"""The compiled cutter leaves of a page what the reference cutter leaves, or says that it cannot tell."""

import math

from hypothesis import given
from hypothesis import strategies as st

from pipeline.articles.site import Site
from pipeline.prose import cut as reference
from pipeline.prose.compiled import cut, page
from pipeline.prose.deadline import Deadline
from pipeline.prose.signs import CONTROL
from tests.helpers.wikitext import CHINESE, PAGES, SITE, few_examples

NESTED = st.recursive(
    st.sampled_from(["a", "\n", "x.png", "{{lang|de|b}}", "{{box}}", "[[a|b]]", "<ref>c</ref>", "<nowiki>[[</nowiki>"]),
    lambda inner: st.tuples(
        st.sampled_from(
            ["{{x|#}}", "{{lang|de|#}}", "{{{#}}}", "[[File:a|#]]", "[[a|#]]", "\n{|#\n|}\n", "-{zh: # }-", "#"]
        ),
        st.lists(inner, max_size=3).map("".join),
    ).map(lambda parts: parts[0].replace("#", parts[1])),
    max_leaves=12,
)


SITES = st.sampled_from([SITE, CHINESE])


def cut_by_reference(text: str, site: Site) -> tuple[str, list[str]]:
    return reference.cut(CONTROL.sub("", text), site, Deadline(math.inf))


@few_examples
@given(NESTED, SITES)
def test_what_is_well_formed_is_cut_as_the_reference_cuts_it(text: str, site: Site) -> None:
    assert page.cut_page(text, site) == cut_by_reference(text, site)


@few_examples
@given(PAGES, SITES)
def test_what_is_not_well_formed_is_cut_as_the_reference_cuts_it_or_left_to_it(text: str, site: Site) -> None:
    found = page.cut_page(text, site)
    assert found is None or found == cut_by_reference(text, site)


@given(
    st.text(st.characters(exclude_characters="|", exclude_categories=["Cs"]), max_size=50), st.text("a|é", max_size=5)
)
def test_a_template_has_one_slot_by_its_name_alone(name: str, arguments: str) -> None:
    codes = page.to_codes(f"{name}|{arguments}")
    size, slot = cut.name_slot(codes, 0, len(codes), page.IDLE_NAMES)
    assert size == len(name)
    code = 5381  # the hash djb2 with XOR, in 28 bits
    for char in codes[: len(name)].tolist():
        code = (code * 33 ^ char) & (1 << 28) - 1
    assert slot == code % page.IDLE_NAMES


def test_room_that_is_used_up_leaves_the_page_to_the_reference() -> None:
    assert page.cut_page("[[a|" * (page.MAX_FRAMES + 1), SITE) is None
    assert page.cut_page("[[a|" * page.MAX_FRAMES, SITE) == cut_by_reference("[[a|" * page.MAX_FRAMES, SITE)
