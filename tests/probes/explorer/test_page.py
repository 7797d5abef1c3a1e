"""A reader types, clicks and reads in a real browser, and finds what the command line answers."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from probes.__main__ import PROGRAM, main
from probes.explorer.library import Library
from tests.helpers import ROOT
from tests.helpers.browser import chromium_page
from tests.helpers.explorer import explorer_of
from wikilm.cli import run
from wikilm.terminal import visible

HOSTILE = "<img src=x onerror=alert(1)>\u202e"
NAMED = re.compile(r"""^- .?\w+ "[^"]""")  # how a role and a name are written


@pytest.fixture(scope="module")
def shown(explorer):
    """The page in a browser, once it has its first answers; with what it asked for and complained about."""
    with chromium_page() as page:
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        page.goto(explorer.address)
        page.locator("#status", has_text="below").wait_for(state="attached")
        yield page, requests


def told_by_the_command_line(capsys, *argv):
    assert run(main, PROGRAM, [*map(str, argv), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def ask(page, text):
    """Type a text and press Enter, and wait for the answers."""
    page.get_by_label("A sentence with a blank").fill(text)
    page.keyboard.press("Enter")
    page.locator("#status", has_text="below").wait_for(state="attached")


def offered(card):
    """The tokens of a card's list."""
    return [chip.text_content() for chip in card.locator(".choice .chip").all()]


def written(card):
    """The tokens that a model wrote."""
    return [token.text_content() for token in card.locator(".writing .tok").all()]


def as_shown(tokens, keep="\n"):
    """Controls by their pictures; in a text, but not in a list, a line may end."""
    return [visible(token, keep) for token in tokens]


@pytest.mark.slow
def test_both_models_fill_a_blank_as_on_the_command_line(shown, tiny, capsys):
    page, _ = shown
    ask(page, "A [MASK] is water.")
    for name in ("causal", "masked"):
        card = page.get_by_role("article", name=str(tiny / name))
        card.locator(".choice").first.wait_for()
        found = told_by_the_command_line(capsys, "fill-mask", "--model", tiny / name, "--text", "A [MASK] is water.")
        readings = found["models"][0]["clozes"][0]["blanks"][0]["readings"]
        assert offered(card) == as_shown((choice["token"] for one in readings for choice in one["choices"]), keep="")
        assert card.locator(".hole").text_content() == visible(readings[-1]["choices"][0]["word"])
        card.locator(".choice").nth(2).click()
        assert card.locator(".hole").text_content() == visible(readings[0]["choices"][2]["word"])


@pytest.mark.slow
def test_another_token_is_chosen_and_the_model_goes_on_from_there(shown, explorer):
    page, _ = shown
    ask(page, "A river is")
    card = page.get_by_role("article")
    card.locator(".writing .tok").first.wait_for()
    question = {"model": 0, "prompt": "A river is", "max_new_tokens": 16, "top_k": 5}
    first = explorer.post("continue", question).json
    assert written(card) == as_shown(first["tokens"])
    card.locator(".tok").first.focus()
    page.keyboard.press("ArrowRight")  # to the second token, whose candidates are then shown
    assert offered(card) == as_shown((choice["token"] for choice in first["steps"][1]["candidates"]), keep="")
    card.locator(".choice").nth(1).press("Enter")
    card.locator(".tok.own").wait_for()
    chosen = [first["ids"][0], first["steps"][1]["candidates"][1]["id"]]
    steered = explorer.post("continue", question | {"chosen": chosen}).json
    assert written(card) == as_shown(steered["tokens"])
    card.get_by_role("button", name="+ 1 token").click()
    card.locator(".tok").nth(16).wait_for()
    card.get_by_role("button", name="Undo my choices").click()
    card.locator(".tok.own").wait_for(state="detached")


@pytest.mark.slow
def test_words_lead_to_their_row_and_article(shown, explorer):
    page, _ = shown
    row = explorer.post("row", {"model": 0, "split": "train", "row": 3}).json
    ask(page, "".join(row["tokens"][2:12]))
    page.get_by_role("button", name="Where do these words stand?").click()
    page.locator("#traced .runs button", has_text="train row 3").first.click()
    page.locator("#found .marked").first.wait_for()
    assert page.locator("#found").inner_text().startswith("Row 3 of 24 of train")
    marked = [one.text_content() for one in page.locator("#found .marked").all()]
    assert len(marked) >= 3
    assert "".join(marked) in "".join(as_shown(row["tokens"]))
    page.locator("#found .tok").nth(8).click()
    page.get_by_role("button", name="Leave a blank for it").click()
    assert "[MASK]" in page.get_by_label("A sentence with a blank").input_value()
    page.get_by_role("button", name="The row after").click()
    page.locator("#found", has_text="Row 4 of 24 of train").wait_for()


@pytest.mark.slow
def test_a_text_becomes_no_markup(shown):
    page, requests = shown
    ask(page, f"{HOSTILE} [MASK]")
    page.locator(".card .quote").first.wait_for()
    page.get_by_label("A sentence with a blank").fill(HOSTILE)  # without a blank, it can be continued
    page.get_by_label("New tokens").fill("4")
    ask(page, HOSTILE)
    page.locator(".writing .tok").first.wait_for()
    assert "<img src=x onerror=alert(1)>" in page.locator(".writing .prompt").inner_text()
    assert page.locator("main img, main script, main iframe").count() == 0
    assert "\u202e" not in page.locator("#answers").inner_text()
    assert {re.match(r"http://127\.0\.0\.1:\d+/", url) is not None for url in requests} == {True}


@pytest.mark.slow
def test_mistakes_are_told_where_they_are_made(shown):
    page, _ = shown
    ask(page, "[MASK]" + " river" * 99)
    page.get_by_role("alert").first.wait_for()
    assert "48 positions" in page.get_by_role("alert").first.inner_text()


@pytest.mark.slow
def test_everything_that_is_clicked_or_typed_has_a_name_and_nothing_scrolls_sideways(shown):
    page, _ = shown
    ask(page, "A river is")
    page.locator(".writing .tok").first.wait_for()
    for control in page.locator("button, input, select, textarea, [role=button]").all():
        if control.is_visible():
            assert NAMED.search(control.aria_snapshot()), control.evaluate("(one) => one.outerHTML")
    for width in (1200, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") == width


@contextmanager
def started(*argv):
    """The real command, until the context ends."""
    command = [sys.executable, "-m", "probes", "explore", *map(str, argv)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_ctrl_c_ends_the_command_cleanly(tiny):
    with started("--model", tiny / "causal", "--port", 0) as process:
        line = process.stderr.readline()
        assert re.search(r"open http://127\.0\.0\.1:\d+/ in a browser", line), line
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr.read() == ""


@pytest.mark.slow
def test_without_shards_the_page_says_how_to_open_them(shown, library):
    bare = Library(library.models, None, library.fill_mask, library.generation, library.trace)
    with explorer_of(bare) as explorer, shown[0].context.browser.new_page() as page:
        page.goto(explorer.address)
        page.locator("#status", has_text="below").wait_for(state="attached")
        told = page.locator("main").inner_text()
        assert "--shards data/shards" in told
        assert "python -m probes index" in told
        assert not page.get_by_role("button", name="Show it").is_visible()
        assert not page.get_by_role("button", name="Where do these words stand?").is_visible()
