"""An article's split is a function of the seed and its page id alone, and so are the articles that are taken."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.articles.split import NO_SPLIT, Selection, digest, merge, selection, smallest, split_of
from pipeline.settings import SplitSettings

page_ids = st.integers(min_value=1, max_value=2**63 - 1)


def settings(seed: int = 0, fraction: float = 0.1, take: tuple[int, int] | None = None) -> SplitSettings:
    return SplitSettings(seed=seed, validation_fraction=fraction, take=take)


def test_digest_is_sha256_of_seed_and_page_id_in_every_year():
    # sha256("0:12") = 99e4a5c0… (coreutils: printf 0:12 | sha256sum)
    import hashlib

    assert digest(0, 12) == int(hashlib.sha256(b"0:12").hexdigest()[:16], 16)
    assert digest(0, 12) != digest(1, 12)


@given(page_ids, st.integers(0, 2**32), st.floats(0, 0.99))
def test_an_article_for_validation_stays_there_when_the_fraction_grows(page_id, seed, fraction):
    if split_of(settings(seed, fraction), page_id) == "validation":
        assert split_of(settings(seed, min(0.999, fraction + 0.001)), page_id) == "validation"


def test_the_fraction_is_the_share_held_back():
    counts = Counter(split_of(settings(fraction=0.1), page_id) for page_id in range(1, 20_001))
    assert counts["validation"] / 20_000 == pytest.approx(0.1, abs=0.01)
    assert {split_of(settings(fraction=0.0), page_id) for page_id in range(1, 1000)} == {"train"}


@given(st.lists(page_ids, max_size=60), st.integers(0, 5), st.integers(0, 5), st.randoms())
def test_take_keeps_the_smallest_digests_of_each_split_however_the_source_is_cut(ids, train, validation, random):
    if train == validation == 0:
        return
    split = settings(fraction=0.4, take=(train, validation))
    pieces = [[], [], []]
    for page_id in ids:
        random.choice(pieces).append(page_id)
    taken = selection(split, merge(split, [smallest(split, piece) for piece in pieces])).taken
    for name, limit in (("train", train), ("validation", validation)):
        of_split = sorted((digest(0, page_id), page_id) for page_id in set(ids) if split_of(split, page_id) == name)
        assert {page_id for page_id in taken if split_of(split, page_id) == name} == {
            page for _, page in of_split[:limit]
        }


def test_memory_of_take_is_bounded_and_nothing_is_lost_by_thinning_out():
    split = settings(fraction=0.5, take=(3, 3))
    found = smallest(split, iter(range(1, 20_000)))
    assert len(found.train) == len(found.validation) == 3
    best = min(digest(0, page) for page in range(1, 20_000) if split_of(split, page) == "train")
    assert found.train[0][0] == best


def test_without_take_every_article_has_a_split_and_with_it_the_others_have_none():
    assert Selection(settings()).split_of(7) in ("train", "validation")
    assert Selection(settings(take=(1, 1)), frozenset({8})).split_of(7) is None


@given(st.lists(page_ids, max_size=30), st.integers(0, 2**32), st.floats(0, 0.9999999), st.booleans())
def test_many_articles_at_once_have_the_splits_that_each_has(ids, seed, fraction, some):
    taken = frozenset(ids[::2]) if some else None
    selected = Selection(settings(seed, fraction), taken)
    names = {None: NO_SPLIT, "train": 0, "validation": 1}
    assert selected.splits_of(ids).tolist() == [names[selected.split_of(page_id)] for page_id in ids]
