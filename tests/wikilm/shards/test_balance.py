"""The ledger of a mixture balances wiki by wiki, and the wikis add up to the whole."""

import pytest

from tests.helpers.manifests import manifest, mixture
from wikilm.shards import Manifest, all_imbalances


def with_counts(whole: Manifest, **changed: object) -> Manifest:
    """The same mixture with other counts of its first wiki."""
    first, *others = whole.mixture or ()
    counts = first.counts.model_copy(update=changed)
    return whole.model_copy(update={"mixture": [first.model_copy(update={"counts": counts}), *others]})


def problems(shards: Manifest) -> list[str]:
    return [line.split(" = ")[0] for line in all_imbalances(shards)]


def test_what_balances_balances_for_one_wiki_and_several():
    assert problems(manifest()) == []
    assert problems(mixture({"database": "awiki"}, {"database": "bwiki", "rows": 7, "reason": "repeated"})) == []


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"articles": 1001}, ["awiki: pages", "awiki: articles", "articles"]),
        ({"text_bytes": 1}, ["text_bytes"]),
        ({"left_out": {"repeated": 204}}, ["left out: namespace:1", "left out: repeated"]),
        (
            {"train_chunks": 6, "tokens": 48},
            ["awiki: train_chunks", "awiki: tokens in shards", "tokens", "train_chunks"],
        ),
    ],
)
def test_what_does_not_is_named_with_its_wiki_or_as_a_sum(changed, found):
    assert problems(with_counts(mixture({"database": "awiki"}, {"database": "bwiki"}), **changed)) == found


def test_every_unit_is_of_one_wiki():
    whole = mixture({"database": "awiki"}, {"database": "bwiki"})
    more = whole.source.model_copy(update={"units": 3})
    assert problems(whole.model_copy(update={"source": more})) == ["units"]
