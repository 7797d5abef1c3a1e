"""Open sources that lie in files, read all their pages, and see how they are refused."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.articles.article import Article, DeadLetter, Dropped
from pipeline.settings import SourceSettings
from pipeline.source.plan import Source, open_source
from tests.helpers.dumps import Page
from wikilm.errors import RunError

# Articles, and what is none: a redirect, a talk page, data.
PAGES = [
    Page(3, "Ant", "An '''ant'''."),
    Page(7, "Bee & <wasp>", "  A bee's &nbsp; text\n"),
    Page(8, "Cat", redirect="Felis"),
    Page(9, "Talk:Ant", "Hello", ns=1),
    Page(12, "Đông Đô", "漢字 𝔘 <|endoftext|>"),
    Page(13, "Empty", ""),
    Page(20, "Data", "{}", model="json"),
]
STORED_AS = ["a-multistream.xml.bz2", "a.xml", "a.xml.bz2", "a.xml.gz", "a.xml.xz", "a.xml.zst"]


def opened(path: Path, unit_bytes: int = 1, **settings: Any) -> Source:
    """The source at `path`, planned."""
    return open_source(SourceSettings(path=str(path), unit_bytes=unit_bytes, **settings))


def pages_of(path: Path, unit_bytes: int = 1, **settings: Any) -> list[Article | Dropped | DeadLetter]:
    """All its pages, in the order of the units."""
    source = opened(path, unit_bytes, **settings)
    return [page for unit in source.units for page in unit.pages(source.site)]


def refusal(path: Path, unit_bytes: int = 1) -> str:
    """The one line with which a run on this dump ends."""
    with pytest.raises(RunError) as caught:
        pages_of(path, unit_bytes)
    line = str(caught.value)
    assert "\n" not in line
    assert path.name.split("-multistream")[0].split(".")[0] in line
    return line
