"""What the page says of a number: for people, and never more than the number bears."""

import pytest

from probes.report.render import chance, is_address, level, lines, percent, rounded
from tests.helpers import ROOT
from tests.helpers.browser import browser, open_page


def test_numbers_are_written_for_people():
    assert percent(0.987) == "98.7\xa0%"  # which no line break parts
    shown = [chance(p).replace("\xa0", " ") for p in (1.0, 0.5, 0.0012, 0.0009, 0.0)]
    assert shown == ["100.0 %", "50.0 %", "0.1 %", "< 0.1 %", "< 0.1 %"]
    assert [rounded(n) for n in (1_256_256, 999, 2.5e9)] == ["1.3 million", "999", "2.5 billion"]


@pytest.mark.parametrize(
    ("probability", "word"),
    [(None, "expected"), (1.0, "expected"), (0.5, "expected"), (0.49, "likely"), (0.01, "possible"), (0.0, "surprise")],
)
def test_a_token_has_one_of_four_levels(probability, word):
    assert level(probability) == word


def test_a_text_of_several_lines_stands_in_one_and_does_nothing():
    assert lines("a\n\nb\x1b") == "a¶¶b␛"


@pytest.mark.parametrize(
    "address", [None, "", "javascript:alert(1)", "data:text/html,x", "//x", "https://a.b/\n", 'https://a.b/"x']
)
def test_a_link_leads_to_the_web_alone(address):
    assert not is_address(address)
    assert is_address("https://en.wikipedia.org/wiki/A_(b)")


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (768, "dark"), (390, "light"), (390, "dark")])
def test_axe_finds_nothing_and_no_text_runs_or_asks(made, report, width, scheme):
    axe = ROOT / ".axe" / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.is_file():
        pytest.skip("axe-core is not here: make axe brings it, from the npm registry")
    page = made / "report" / "index.html"
    found = open_page(page, width=width)
    assert found.requests == [page.as_uri()]
    assert found.errors == []
    assert found.width <= width
    with browser() as chromium:
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
        tab = context.new_page()
        tab.goto(page.as_uri())
        assert tab.title() != "ran"
        tab.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        tab.add_script_tag(path=str(axe))
        violations = tab.evaluate("axe.run()")["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == []


@pytest.mark.slow
def test_a_token_and_a_checkpoint_are_chosen_by_keys_and_all_of_it_stands_there_without_a_script(made, report):
    page = made / "report" / "index.html"
    with browser() as chromium:
        tab = chromium.new_page()
        tab.goto(page.as_uri())
        panel = tab.locator("#writing .panel").first
        token = tab.locator("#writing .tok[role=button]").first
        token.focus()
        before = panel.inner_text()
        tab.keyboard.press("ArrowRight")
        assert panel.inner_text() != before
        assert tab.locator(".moments > li:visible").count() == tab.locator(".moments").count()
        slider = tab.locator("#learning .slider").first
        slider.focus()
        tab.keyboard.press("Home")
        assert slider.get_attribute("aria-valuetext") == "step 50"
        tab.emulate_media(media="print")
        assert tab.locator(".moments > li:visible").count() > tab.locator(".moments").count()
        plain = chromium.new_context(java_script_enabled=False).new_page()
        plain.goto(page.as_uri())
        assert plain.locator(".moments > li:visible").count() > plain.locator(".moments").count()
        assert plain.locator(".panel, .slider, .live:visible").count() == 0
