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
def chromium_page(width: int = 1200) -> Iterator[Any]:
    """Give an empty page of headless Chromium, to go anywhere and to click on, until the context ends.

    What its scripts throw, and what a policy keeps them from, fails the test at the end.
    """
    from playwright.sync_api import sync_playwright

    faults: list[str] = []

    def note(message: Any) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:  # a status such as 422
            faults.append(message.text)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=QUIET)
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("console", note)
        page.on("pageerror", lambda error: faults.append(str(error)))
        yield page
        browser.close()
    assert faults == []


def chromium() -> str:
    """Return where Chromium is; skip the test where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("needs Chromium, which make cannot install without root")
    return found


def open_page(path: Path, picture: Path | None = None, width: int = 1200) -> Page:
    """Open a file in headless Chromium, with a picture of the whole page if wanted."""
    executable = chromium()
    from playwright.sync_api import sync_playwright

    requests: list[str] = []
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=QUIET)
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path.resolve().as_uri())
        if picture is not None:
            page.screenshot(path=str(picture), full_page=True)
        found = Page(requests, errors, page.inner_text("body"), page.evaluate("document.documentElement.scrollWidth"))
        browser.close()
    return found
