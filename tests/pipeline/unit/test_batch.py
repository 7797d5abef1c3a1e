"""A batch accounts for all that goes into it: every page has a fate, and every token a row or a tail."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.articles.article import REDIRECT, Article, DeadLetter, Dropped, Page
from pipeline.articles.columns import in_columns
from pipeline.articles.site import Site
from pipeline.articles.split import Selection
from pipeline.output.ledger import total
from pipeline.prose.cleaner import Cleaner
from pipeline.settings import ShardsSettings, SplitSettings
from pipeline.tokens.encoder import Encoder
from pipeline.unit import batch as batches
from tests.helpers.manifests import shard
from wikilm.shards import REPEATED, SPLITS, imbalances

SPLIT = SplitSettings(seed=0, validation_fraction=0.3)
CLEANER = Cleaner(Site(), is_wikitext=False, max_seconds=1.0)
ids, titles = st.integers(1, 99), st.text("abc", max_size=3)
texts = st.text("ab \n\x00", max_size=30)
pages = st.one_of(
    st.builds(Article, ids, ids, titles, texts),
    st.builds(Dropped, ids, titles, st.sampled_from([REDIRECT, "namespace:4"])),
    st.builds(DeadLetter, ids, titles, titles, titles),
)


@pytest.fixture(scope="module")
def encoder(tiny_tokenizer) -> Encoder:
    return Encoder(tiny_tokenizer)


def has_revisions(page: Page) -> bool:
    """Whether there may be an older revision of it in the same source, which is repeated."""
    return isinstance(page, Article) or (isinstance(page, Dropped) and page.reason == REDIRECT)


@given(
    st.lists(st.lists(pages, max_size=8), max_size=4), st.none() | st.frozensets(ids), st.sets(st.integers(0, 31)),
    st.sampled_from(["pack", "document"]),
)  # fmt: skip
def test_the_ledger_of_a_unit_balances(encoder, parts: list[list[Page]], taken, repeated, chunking):
    in_order = [page for part in parts for page in part]
    older = [place for place in sorted(repeated) if place < len(in_order) and has_revisions(in_order[place])]
    settings = ShardsSettings(chunk_tokens=8, chunking=chunking, max_dead_fraction=1)
    selected = Selection(SPLIT, taken if taken is None else {0: taken})
    tails, first, done = batches.no_tails(), 0, []
    for part in parts:
        batch = batches.take(in_columns(part), selected, first, np.array(older, np.int64))
        batch = batches.encode(batches.clean(batch, CLEANER), encoder)
        done.append(batches.cut(batch, settings, encoder.end_of_text_id, tails))
        tails = {split: rows.tail for split, rows in done[-1].content.items()}
        first += len(part)
    counts = total([*(batch.counts for batch in done), batches.last_tails(tails).counts])
    shards = [
        shard(split, 0, sum(len(batch.content[split].input_ids) for batch in done if batch.content)) for split in SPLITS
    ]
    assert list(imbalances(counts, 8, shards)) == []
    assert counts.pages == len(in_order)
    assert counts.left_out.get(REPEATED, 0) == len(older)


@given(st.lists(pages, max_size=8))
def test_an_article_without_prose_is_left_out_and_no_other(some: list[Page]):
    batch = batches.clean(batches.take(in_columns(some), Selection(SPLIT)), CLEANER)
    with_prose = [page for page in some if isinstance(page, Article) and page.text.replace("\x00", "").strip()]
    assert batch.articles.page_ids.tolist() == [page.page_id for page in with_prose]
    assert all(text.as_py().strip() for text in batch.content)
    assert batch.dead_letters == tuple(page for page in some if isinstance(page, DeadLetter))


@given(st.lists(st.lists(st.sampled_from(["<foo/>", "<foo>a</foo>", "<foo>", "a"]), max_size=4), max_size=4))
def test_tags_of_unknown_extensions_are_counted_in_wikitext_alone(some: list[list[str]]) -> None:
    articles = in_columns([Article(number, 0, "T", "\n\n".join(text)) for number, text in enumerate(some)])
    for cleaner in (CLEANER, dataclasses.replace(CLEANER, is_wikitext=True)):
        counts = batches.clean(batches.take(articles, Selection(SPLIT)), cleaner).counts
        tags = sum({"<foo/>": 1, "<foo>a</foo>": 2}.get(piece, 0) for text in some for piece in text)
        assert counts.unknown_tags == (tags if cleaner.is_wikitext else 0)
        assert ("unknown_tags" in counts.model_dump()) == (counts.unknown_tags > 0)


def test_a_step_changes_the_content_and_what_it_counts_and_nothing_else():
    batch = batches.take(in_columns([Article(1, 2, "A", "text")]), Selection(SPLIT))
    after = batch.with_content([1, 2], tokens=2)
    assert after.content == [1, 2]
    assert dataclasses.replace(after, content=batch.content, counts=batch.counts) == batch
    assert after.counts == batch.counts.model_copy(update={"tokens": 2})
