"""Pages gathered into batches are the same pages in the same order, whatever the size of a batch."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pipeline.articles.columns as columns
from pipeline.articles.article import Article, DeadLetter, Dropped, Page

ids = st.integers(1, 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
pages = st.one_of(
    st.builds(Article, ids, ids, texts, texts, texts),
    st.builds(Dropped, ids, texts, st.sampled_from(["redirect", "namespace:4"])),
    st.builds(DeadLetter, st.none() | ids, texts, texts, texts),
)


@given(st.lists(pages, max_size=30), st.integers(1, 7), st.integers(1, 50))
def test_batches_hold_every_page_once_and_in_order(some: list[Page], most: int, characters: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "BATCH_PAGES", most)
        patch.setattr(columns, "BATCH_CHARACTERS", characters)
        batches = list(columns.gather(some))
    assert all(len(batch.articles) <= most for batch in batches)
    articles = [page for page in some if isinstance(page, Article)]
    found = [
        Article(page_id, revision_id, title.as_py(), text.as_py(), where)
        for batch in batches
        for page_id, revision_id, title, text, where in zip(
            batch.articles.page_ids.tolist(), batch.articles.revision_ids.tolist(), batch.articles.titles,
            batch.texts, batch.articles.where, strict=True,
        )
    ]  # fmt: skip
    assert found == articles
    assert [letter for batch in batches for letter in batch.dead_letters] == [
        page for page in some if isinstance(page, DeadLetter)
    ]
    assert sum(sum(batch.dropped.values()) for batch in batches) == sum(isinstance(page, Dropped) for page in some)


def test_a_dead_letter_made_of_a_column_is_that_of_its_article() -> None:
    [batch] = columns.gather([Article(7, 8, "A", "x", "here"), Article(9, 1, "B", "y", "there")])
    assert batch.articles.only(np.array([False, True])).dead_letter(0, "why") == DeadLetter(9, "B", "there", "why")


@given(st.lists(texts), st.integers(0, 3), st.sampled_from([pa.string(), pa.large_string()]))
def test_the_bytes_of_texts_are_theirs_wherever_the_array_begins(
    some: list[str], first: int, kind: pa.DataType
) -> None:
    data, offsets = columns.utf8_of(pa.array(some, kind).slice(first))
    assert offsets[0] == 0
    assert [data[start:end].tobytes().decode() for start, end in pairwise(offsets)] == some[first:]
