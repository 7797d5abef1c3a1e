"""An article's split is a function of the seed, its page id and, of several wikis, its wiki, and so are those taken."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.articles.split import (
    NO_SHARE,
    NO_SPLIT,
    Selection,
    digest,
    in_share,
    merge,
    selection,
    smallest,
    split_of,
)
from pipeline.articles.wiki import ONLY, Wiki
from pipeline.settings import SplitSettings

page_ids = st.integers(min_value=1, max_value=2**63 - 1)
wikis = st.builds(Wiki, st.just(0), st.text(max_size=9), st.floats(0, 1))


def settings(seed: int = 0, fraction: float = 0.1, take: tuple[int, int] | None = None) -> SplitSettings:
    return SplitSettings(seed=seed, validation_fraction=fraction, take=take)


def test_digest_is_sha256_of_seed_and_page_id_in_every_year():
    # sha256("0:12") = 99e4a5c0… (coreutils: printf 0:12 | sha256sum)
    import hashlib

    assert digest(0, 12) == int(hashlib.sha256(b"0:12").hexdigest()[:16], 16)
    assert digest(0, 12) != digest(1, 12)
    assert digest(0, 12, Wiki(3, "ltgwiki", 0.5)) == int(hashlib.sha256(b"0:ltgwiki:12").hexdigest()[:16], 16)


@given(st.lists(page_ids, max_size=40), wikis, st.floats(0, 1))
def test_a_larger_share_has_all_articles_of_a_smaller_one(ids, wiki, share):
    small, large = (replace(wiki, share=some) for some in sorted((wiki.share, share)))
    assert all(in_share(settings(), page_id, large) for page_id in ids if in_share(settings(), page_id, small))
    assert all(in_share(settings(), page_id, replace(wiki, share=1.0)) for page_id in ids)
    assert not any(in_share(settings(), page_id, replace(wiki, share=0.0)) for page_id in ids)


def test_the_splits_of_a_share_are_as_large_as_those_of_the_whole():
    splits = Selection(settings(fraction=0.1)).splits_of(range(1, 20_001), replace(ONLY, share=0.3)).tolist()
    assert splits.count(NO_SHARE) / 20_000 == pytest.approx(0.7, abs=0.01)
    assert splits.count(1) / (20_000 - splits.count(NO_SHARE)) == pytest.approx(0.1, abs=0.01)


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
    taken = selection(split, merge(split, [smallest(split, piece) for piece in pieces])).taken or {}
    for name, limit in (("train", train), ("validation", validation)):
        of_split = sorted((digest(0, page_id), page_id) for page_id in set(ids) if split_of(split, page_id) == name)
        assert {page_id for page_id in taken.get(0, ()) if split_of(split, page_id) == name} == {
            page for _, page in of_split[:limit]
        }


@given(st.lists(st.tuples(st.integers(0, 2), page_ids), max_size=60), st.integers(1, 5), st.floats(0, 1))
def test_of_several_wikis_take_keeps_the_smallest_digests_of_all_within_their_shares(pairs, count, share):
    split = settings(fraction=0.0, take=(count, 0))
    wikis = [Wiki(0, "awiki", share), Wiki(1, "bwiki"), Wiki(2, "cwiki")]
    ids = [[page_id for number, page_id in pairs if number == wiki.number] for wiki in wikis]
    selected = selection(split, merge(split, [smallest(split, ids[wiki.number], wiki) for wiki in wikis]))
    within = {(number, page_id) for number, page_id in pairs if in_share(split, page_id, wikis[number])}
    best = sorted(within, key=lambda pair: digest(0, pair[1], wikis[pair[0]]))[:count]
    assert {(number, page_id) for number, some in (selected.taken or {}).items() for page_id in some} == set(best)
    for wiki, some in zip(wikis, ids, strict=True):
        taken = selected.splits_of(some, wiki) >= 0
        assert taken.tolist() == [(wiki.number, page_id) in best for page_id in some]


def test_memory_of_take_is_bounded_and_nothing_is_lost_by_thinning_out():
    split = settings(fraction=0.5, take=(3, 3))
    found = smallest(split, iter(range(1, 20_000)))
    assert len(found.train) == len(found.validation) == 3
    best = min(digest(0, page) for page in range(1, 20_000) if split_of(split, page) == "train")
    assert found.train[0][0] == best


@given(st.lists(page_ids, max_size=30), wikis, st.integers(0, 2**32), st.floats(0, 0.9999999), st.booleans())
def test_many_articles_at_once_have_the_splits_that_each_has(ids, wiki, seed, fraction, some):
    split, taken = settings(seed, fraction), frozenset(ids[::2])

    def expected(page_id):
        if not in_share(split, page_id, wiki):
            return NO_SHARE
        if some and page_id not in taken:
            return NO_SPLIT
        return ("train", "validation").index(split_of(split, page_id, wiki))

    selected = Selection(split, {wiki.number: taken} if some else None)
    assert selected.splits_of(ids, wiki).tolist() == [expected(page_id) for page_id in ids]
