"""The pages of the bundled corpus, read once for all tests of it."""

import pytest

from corpus.page import Page, read_pages
from tests.helpers.corpus import PAGES


@pytest.fixture(scope="session")
def pages() -> list[Page]:
    """All of them, by id."""
    return read_pages(PAGES)


@pytest.fixture(scope="session")
def articles(pages: list[Page]) -> list[Page]:
    """Those in the main namespace that are no redirects."""
    return [page for page in pages if page.namespace == 0 and page.redirect is None]
