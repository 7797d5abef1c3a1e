"""Rows hold the tokens of their articles in order, and lose no more than a tail."""

import itertools
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tokens.rows import NO_TAIL, cut_rows, document, pack, token_ids
from tests.helpers import SHARED

END = 999
article = st.tuples(st.integers(1, 10**6), st.lists(st.integers(0, 500), max_size=40))
articles = st.lists(article, max_size=12)
chunk_tokens = st.integers(1, 16)
GPT2 = SHARED / "gpt2-tokenizer"


def arrays(some):
    """Page ids and token ids of articles, as the functions take them."""
    page_ids = np.array([page_id for page_id, _ in some], np.int64)
    return page_ids, token_ids([np.array(ids, dtype=np.uint32) for _, ids in some])


@given(articles, st.data())
def test_the_ids_of_some_articles_are_those_of_each_in_their_order(some, data):
    kept = data.draw(st.lists(st.booleans(), min_size=len(some), max_size=len(some)))
    _, ids = arrays(some)
    chosen = ids.only(np.array(kept, bool))
    assert [one.tolist() for one in ids] == [one for _, one in some]
    assert [one.tolist() for one in chosen] == [one for (_, one), keep in zip(some, kept, strict=True) if keep]
    assert chosen.lengths.tolist() == [len(one) for one in chosen]
    assert (len(chosen), chosen.ids.dtype, chosen.offsets.dtype) == (sum(kept), np.uint32, np.int64)


@given(articles, chunk_tokens)
def test_pack_loses_nothing_but_the_last_tail(some, n):
    rows = pack(*arrays(some), n, END)
    stream = [token for _, ids in some for token in [*ids, END]]
    assert rows.input_ids.reshape(-1).tolist() == stream[: len(stream) // n * n]
    assert rows.tokens == len(stream)
    assert rows.tail_tokens == len(stream) % n


@given(articles, chunk_tokens)
def test_a_packed_row_names_the_article_of_its_first_token(some, n):
    rows = pack(*arrays(some), n, END)
    owners = [page_id for page_id, ids in some for _ in range(len(ids) + 1)]
    assert rows.page_ids.tolist() == [owners[row * n] for row in range(len(rows.input_ids))]


@given(articles, chunk_tokens)
def test_document_rows_never_cross_articles_and_only_short_tails_are_left_out(some, n):
    rows = document(*arrays(some), n)
    expected = [(page, ids[at : at + n]) for page, ids in some for at in range(0, len(ids) - n + 1, n)]
    assert rows.input_ids.tolist() == [row for _, row in expected]
    assert rows.page_ids.tolist() == [page for page, _ in expected]
    assert rows.tokens == sum(len(ids) for _, ids in some) == n * len(expected) + rows.tail_tokens


@given(articles, st.lists(st.integers(0, 12), max_size=5), chunk_tokens, st.sampled_from(["pack", "document"]))
def test_articles_cut_in_any_batches_give_the_rows_that_they_give_at_once(some, cuts, n, chunking):
    whole = cut_rows(*arrays(some), chunking, n, END)
    parts, tail = [], NO_TAIL
    for first, last in pairwise([0, *sorted(cuts), len(some)]):
        parts.append(cut_rows(*arrays(some[first:last]), chunking, n, END, tail))
        tail = parts[-1].tail
    assert np.concatenate([part.input_ids for part in parts]).tolist() == whole.input_ids.tolist()
    assert [page for part in parts for page in part.page_ids.tolist()] == whole.page_ids.tolist()
    assert sum(part.tokens for part in parts) == whole.tokens
    assert sum(part.left_out for part in parts) + len(tail.ids) == whole.tail_tokens


def test_no_articles_make_no_rows_of_the_right_width():
    for rows in (pack(*arrays([]), 8, END), document(*arrays([]), 8)):
        assert rows.input_ids.shape == (0, 8)
        assert rows.page_ids.dtype == np.int64
        assert rows.tokens == rows.tail_tokens == 0


@pytest.mark.skipif(not GPT2.is_dir(), reason="GPT-2's vocabulary is not there (WIKILM_SHARED names its folder)")
def test_document_gives_chunk_for_chunk_what_the_transformers_recipe_gives_on_real_text(tmp_path):
    from pipeline.articles.article import Article
    from pipeline.settings import SourceSettings
    from pipeline.source.plan import open_source
    from pipeline.tokenizer import load, save
    from pipeline.tokens.encoder import Encoder
    from pipeline.unit.steps import cleaner_of

    dump = GPT2.parent / "enwiki-20160501-sample-pages-articles-multistream.xml.bz2"
    source = open_source(SourceSettings(path=str(dump), unit_bytes=10**6))
    pages = itertools.chain.from_iterable(unit.pages(source.site) for unit in source.units)
    articles = (page for page in pages if isinstance(page, Article))
    texts = [str(cleaner_of(source).prose(article)) for article in itertools.islice(articles, 12)]
    tokenizer = load(str(GPT2))
    save(tokenizer, tmp_path / "tokenizer", {})
    recipe = tokenizer(texts, truncation=True, max_length=128, return_overflowing_tokens=True, return_length=True)
    rows = [ids for ids, length in zip(recipe["input_ids"], recipe["length"], strict=True) if length == 128]
    ours = document(np.arange(len(texts)), Encoder(tmp_path / "tokenizer").encode_batch(texts), 128)
    assert len(texts) == 12
    assert len(rows) > 100
    assert ours.input_ids.tolist() == rows
