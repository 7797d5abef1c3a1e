"""Statements are read line by line, bad ones named; the project's own say what the corpus says, or what it does not."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.articles.site import Site
from pipeline.articles.split import split_of
from pipeline.prose.clean import clean_by_reference
from pipeline.settings import SplitSettings
from probes.cloze.statements import OWN, Statement, read_statements
from wikilm.errors import UsageError

GOOD = '{"text": "Snow is [MASK].", "answer": "white", "subject": "Snow"}'


def test_lines_become_statements_with_their_numbers(tmp_path):
    (tmp_path / "a.jsonl").write_text(f'{GOOD}\n\n{{"text": "[MASK] is wet.", "answer": "Rain"}}\n')
    assert read_statements(str(tmp_path / "a.jsonl")) == (
        Statement(1, "Snow is [MASK].", "white", "Snow"),
        Statement(3, "[MASK] is wet.", "Rain", None),
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "is no JSON"),
        ("[" * 9999, "is no JSON"),
        ("[]", "is no JSON object"),
        ('{"text": "Snow is [MASK]."}', "has no answer"),
        ('{"text": "Snow is white.", "answer": "white"}', "has 0 blanks"),
        ('{"text": "[MASK] is [MASK].", "answer": "white"}', "has 2 blanks"),
        ('{"text": "Snow is [MASK].", "answer": " white"}', "spaces around"),
        ('{"text": "Snow is [MASK].", "answer": "[MASK]"}', "with [MASK]"),
        ('{"text": "Snow is [MASK].", "answer": "white", "subject": "Rain"}', "subject that does not stand"),
        ('{"text": "Snow is [MASK].", "answer": "white", "subject": null}', "has no subject"),
        ('{"text": "Snow is [MASK].", "answer": "white", "sort": 3}', "unknown key, 'sort'"),
        ('{"text": "Snow is [MASK].", "answer": "\\ud800"}', "has no answer"),
    ],
    ids=range(12),
)
def test_a_bad_line_is_named_with_its_number(tmp_path, line, said):
    path = tmp_path / "a.jsonl"
    path.write_text(f"{GOOD}\n{line}\n")
    with pytest.raises(UsageError) as caught:
        read_statements(str(path))
    assert str(caught.value).startswith(f"--file {path}: line 2 ")
    assert said in str(caught.value)


def test_no_file_no_text_and_no_line_are_named(tmp_path):
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff")
    for name, said in (("nothing", "no such file"), ("empty.jsonl", "no statement"), ("bytes.jsonl", "cannot be read")):
        with pytest.raises(UsageError, match=said):
            read_statements(str(tmp_path / name))


@pytest.mark.parametrize(
    ("text", "subject", "left"),
    [
        ("Lisbon is the capital of [MASK].", "Lisbon", "is the capital of [MASK]."),
        ("The capital of France is [MASK].", "France", "The capital of is [MASK]."),
        ("[MASK] is the home of Jane Austen.", "Jane Austen", "[MASK] is the home of."),
    ],
)
def test_what_is_left_without_a_subject_has_no_gap(text, subject, left):
    assert Statement(1, text, "x", subject).without_subject == left


@given(before=st.text("ab ", max_size=9), subject=st.text("xy", min_size=1), after=st.text("ab .", max_size=9))
def test_without_its_subject_a_text_keeps_its_blank(before, subject, after):
    bare = Statement(1, f"{before}{subject}{after} [MASK].", "x", subject).without_subject
    assert bare is not None
    assert bare.count("[MASK]") == 1
    assert subject not in bare


@pytest.fixture(scope="module")
def articles():
    """The prose of each article of the bundled corpus, by split."""
    from corpus.page import read_pages
    from tests.helpers.corpus import PAGES

    texts, settings = {"train": [], "validation": []}, SplitSettings(seed=0, validation_fraction=0.1, take=None)
    for page in read_pages(PAGES):
        if page.namespace == 0 and page.redirect is None:
            texts[split_of(settings, page.page_id)].append(clean_by_reference(page.text, Site()))
    return texts


def says(text: str, words: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text, re.IGNORECASE) is not None


def test_what_is_known_stands_in_an_article_of_the_training_split(articles):
    for one in read_statements("known"):
        assert one.subject is not None
        assert any(says(text, one.subject) and says(text, one.answer) for text in articles["train"]), one


def test_what_is_unknown_is_about_nothing_in_the_corpus(articles):
    for one in read_statements("unknown"):
        assert one.subject is not None
        assert not any(says(text, one.subject) for text in [*articles["train"], *articles["validation"]]), one


@pytest.mark.parametrize("name", OWN)
def test_there_are_a_hundred_of_each_and_all_differ(name):
    statements = read_statements(name)
    assert len(statements) == len({one.text for one in statements}) == 100
    assert all(json.dumps(one.text) for one in statements)
