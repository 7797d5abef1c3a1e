"""Where a text stands: the row and the article that hold it, and what stands there in a blank."""

import numpy as np
import pytest

from probes.model.loading import load_tokenizer
from probes.report import places as searched
from probes.report.places import Places
from wikilm.shards.reading import open_checked


@pytest.fixture(scope="module")
def places(tiny):
    return Places(open_checked(tiny / "shards"), load_tokenizer(tiny / "tokenizer"))


def text_of(places, split, row):
    """The text of a row."""
    [ids] = places._shards.rows(split).take(np.array([max(0, row)]))
    return places._decode(ids)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_the_place_of_a_text_is_the_row_that_holds_its_end_and_the_article_of_that_row(places, split):
    for row in range(len(places._shards.rows(split))):
        text = text_of(places, split, row)
        place, _ = places.following(text, 0)
        assert text[-8:] in text_of(places, place.split, place.row - 1) + text_of(places, place.split, place.row)
        titles = {places.at(place.split, place.row, token).title for token in range(32)}
        assert place.title in titles


def test_what_stands_in_a_blank_is_found_with_its_place(places):
    text = text_of(places, "train", 0)
    before, answer, after = text[:12], text[12:17], text[17:]
    place, found = places.blank(before, after)
    assert (place.split, found) == ("train", answer)
    assert places.blank("no such text", after) is None
    assert places.following("no such text", 3) is None


def test_signs_of_a_pattern_in_a_text_mean_themselves(places):
    assert places.blank(".*", "") is None
    assert places.blank("(", "[") is None


def test_a_large_corpus_is_not_searched(tiny, places, monkeypatch):
    monkeypatch.setattr(searched, "MOST_ROWS", 1)
    large = Places(places._shards, places._tokenizer)
    assert not large.searched
    assert large.following("a", 1) is None
