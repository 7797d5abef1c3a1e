"""Open a page in a browser; skip the test where there is no Chromium."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


@dataclass(frozen=True)
class Page:
    """What a page asked for, said and looked like.

    Attributes:
        requests: every URL that was asked for, the page's own first.
        errors: of its console.
        text: as a reader sees it.
        width: of the laid out page, in pixels; more than the window's means that it scrolls sideways.
    """

    requests: list[str]
    errors: list[str]
    text: str
    width: int


@contextmanager
def browser() -> Iterator[Any]:
    """Start headless Chromium, until the context ends; skips the test where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("needs Chromium, which make cannot install without root")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield started
        started.close()


@contextmanager
def chromium_page(width: int = 1200) -> Iterator[Any]:
    """Give an empty page of headless Chromium, to go anywhere and to click on, until the context ends.

    What its scripts throw, and what a policy keeps them from, fails the test at the end.
    """
    faults: list[str] = []

    def note(message: Any) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:  # a status such as 422
            faults.append(message.text)

    with browser() as started:
        page = started.new_page(viewport={"width": width, "height": 900})
        page.on("console", note)
        page.on("pageerror", lambda error: faults.append(str(error)))
        yield page
    assert faults == []


def open_page(path: Path, picture: Path | None = None, width: int = 1200) -> Page:
    """Open a file in headless Chromium, with a picture of the whole page if wanted."""
    requests: list[str] = []
    errors: list[str] = []
    with browser() as started:
        page = started.new_page(viewport={"width": width, "height": 900})
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path.resolve().as_uri())
        if picture is not None:
            page.screenshot(path=str(picture), full_page=True)
        return Page(requests, errors, page.inner_text("body"), page.evaluate("document.documentElement.scrollWidth"))
