"""A run that makes no row fails and says why; one that lacks a split, an article or a page says so, too."""

import pytest

from pipeline.output.remarks import NoRows, remarks
from pipeline.settings import ShardsSettings, SplitSettings
from pipeline.unit.batch import NOTHING
from wikilm.shards import Counts

SPLIT = SplitSettings(seed=0, validation_fraction=0.1)
GOOD = {
    "pages": 10,
    "articles": 10,
    "train_articles": 8,
    "validation_articles": 2,
    "tokens": 500,
    "train_chunks": 3,
    "validation_chunks": 1,
}


def settings(chunking: str = "pack") -> ShardsSettings:
    return ShardsSettings(chunk_tokens=128, chunking=chunking, max_dead_fraction=1.0)


def counts(**values: object) -> Counts:
    return NOTHING.model_copy(update=GOOD | values)


def test_a_run_that_lacks_nothing_needs_no_remark() -> None:
    assert list(remarks(counts(), SPLIT, settings())) == []


@pytest.mark.parametrize(
    ("values", "chunking", "why"),
    [
        ({"pages": 0, "articles": 0}, "pack", "it has no page"),
        ({"articles": 0, "redirects": 10}, "pack", "none of its 10 pages is an article (10 redirect)"),
        ({"articles": 0, "redirects": 4, "left_out": {"namespace:10": 6}}, "pack", "(4 redirect, 6 namespace:10)"),
        ({"articles": 0, "left_out": {"namespace:10": 9}}, "pack", "name another source, or choose --namespaces"),
        ({"tokens": 0, "left_out": {"empty_text": 10}}, "pack", "10 of its 10 articles have no prose: they are empty"),
        ({}, "pack", "its 10 articles together are shorter than a row; lower --chunk-tokens (now 128)"),
        ({"dead_letters": 3}, "pack", "lower --chunk-tokens (now 128), and 3 are dead letters"),
        ({}, "document", "each of its 10 articles is shorter than a row; lower --chunk-tokens (now 128)"),
    ],
)  # fmt: skip
def test_a_run_without_a_row_fails_and_names_the_cause(values: dict[str, object], chunking: str, why: str) -> None:
    with pytest.raises(NoRows) as failed:
        list(remarks(counts(train_chunks=0, validation_chunks=0, **values), SPLIT, settings(chunking)))
    assert why in str(failed.value)


def test_a_split_without_rows_is_named_with_its_remedy() -> None:
    [line] = remarks(counts(validation_articles=0, validation_chunks=0), SPLIT, settings())
    assert line.startswith("there is no row for validation: no article is in it; raise --validation-fraction (now 0.1)")
    [line] = remarks(counts(validation_chunks=0), SPLIT, settings())
    assert line == (
        "there is no row for validation: its 2 articles together are shorter than a row; lower --chunk-tokens (now 128)"
    )
    [line] = remarks(counts(train_articles=0, train_chunks=0), SPLIT, settings("document"))
    assert "there is no row for train: no article is in it; lower --validation-fraction" in line


def test_no_validation_was_asked_for_and_none_is_missing() -> None:
    none = SplitSettings(seed=0, validation_fraction=0.0)
    assert list(remarks(counts(validation_articles=0, validation_chunks=0), none, settings())) == []


def test_articles_that_take_asks_for_in_vain_and_dead_letters_are_counted() -> None:
    take = SplitSettings(seed=0, validation_fraction=0.1, take=(8, 5))
    few, dead = remarks(counts(dead_letters=3), take, settings())
    assert few.startswith("only 2 of the 5 validation articles that --take asks for are there")
    assert dead.startswith("3 pages could not be read or cleaned")
