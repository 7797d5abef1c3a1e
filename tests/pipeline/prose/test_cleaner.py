"""What is wrong with an article costs that one; what is wrong with the program or the machine is no article's fault."""

import pyarrow as pa
import pytest
from mwparserfromhell.parser import ParserError

from pipeline.articles.article import Article, DeadLetter
from pipeline.articles.columns import in_columns
from pipeline.articles.site import Site
from pipeline.prose import cleaner
from pipeline.prose.clean import Prose
from pipeline.prose.cleaner import Cleaner
from pipeline.prose.deadline import TooSlow
from pipeline.prose.fast_path import CompilerError

PAGES = [Article(number, 0, f"T{number}", f"'''text''' {number}", f"here, {number}") for number in (1, 2, 3)]


def failing(error: BaseException):
    def clean(wikitext: str, site: Site, max_seconds: float) -> Prose:
        if wikitext.endswith("2"):
            raise error
        return Prose(wikitext.replace("'", ""), 0)

    return clean


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (TooSlow(), "takes more CPU time to clean than source.max_page_seconds = 60"),
        (ValueError("no number"), "cannot be cleaned: ValueError: no number"),
        (RecursionError("too deep"), "cannot be cleaned: RecursionError: too deep"),
        (ParserError("lost"), "cannot be cleaned: ParserError"),
        (
            UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
            "cannot be cleaned: UnicodeEncodeError",
        ),
    ],
)
def test_a_fault_of_an_article_costs_that_one(monkeypatch: pytest.MonkeyPatch, error: Exception, why: str) -> None:
    monkeypatch.setattr(cleaner, "clean", failing(error))
    one_by_one = [Cleaner(Site(), True, 60.0).prose(page) for page in PAGES]
    pages = in_columns(PAGES)
    texts, dead, _ = Cleaner(Site(), True, 60.0).prose_of_all(pages.articles, pages.texts)
    assert texts.to_pylist() == ["text 1", None, "text 3"]
    assert [text for text in one_by_one if isinstance(text, DeadLetter)] == list(dead)
    assert (dead[0].page_id, dead[0].title, dead[0].where) == (2, "T2", "here, 2")
    assert dead[0].error.startswith(why)


@pytest.mark.parametrize(
    "error",
    [MemoryError(), OSError(28, "No space left on device"), AttributeError("stats"), CompilerError("no compiler")],
)
def test_a_fault_of_the_program_or_the_machine_ends_the_run(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(cleaner, "clean", failing(error))
    pages = in_columns(PAGES)
    with pytest.raises(type(error)):
        Cleaner(Site(), True, 60.0).prose(PAGES[1])
    with pytest.raises(type(error)):
        Cleaner(Site(), True, 60.0).prose_of_all(pages.articles, pages.texts)


def test_plain_text_is_not_taken_for_wikitext() -> None:
    plain = Cleaner(Site(), False, 60.0)
    assert plain.prose(Article(1, 0, "T", "a '' [[b]]\r\n{{c}}\x00 ")) == "a '' [[b]]\n{{c}} "
    pages = in_columns([Article(1, 0, "T", "''a''\r")])
    assert plain.prose_of_all(pages.articles, pages.texts) == (pa.array(["''a''\n"]), (), 0)
