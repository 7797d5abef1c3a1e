"""A trace names for each run its rows and the articles in them, and leaves a text that stands nowhere alone."""

import numpy as np
import pytest

from pipeline.inspection.origins import as_json
from probes.settings import TraceSettings
from probes.trace import TokenizedText, describe, from_text, novelty_of_unseen, result_of, trace
from probes.trace.result import TracedText, marked
from tests.helpers.tokenizers import SENTENCES
from wikilm.shards import Origins

SETTINGS = TraceSettings(min_tokens=3, places=2, ngrams=4, validation_rows=2)


def letters(text: str, given: int = 0) -> TokenizedText:
    """A text of which each letter is a token."""
    return TokenizedText(text, tuple(ord(c) - 97 for c in text), tuple((i, i + 1) for i in range(len(text))), given)


@pytest.fixture(scope="session")
def letter_index(make_index):
    """Rows of letters."""
    train, validation = ["abcdef", "xyzabc", "abcqqq"], ["uvwxyz", "xyzuvw"]
    return make_index(*(np.array([letters(row).ids for row in rows]) for rows in (train, validation)), 12)


def test_each_run_has_its_places_in_both_splits(letter_index):
    found = trace(letter_index, letters("abcdxyzauvwkk", given=2), SETTINGS)
    assert [(run.text, run.train, run.validation) for run in found.runs] == [("abcd", 1, 0), ("xyza", 1, 0)]
    assert [(run.text, run.train, run.validation) for run in found.validation_runs] == [("uvw", 0, 2)]
    [place] = found.runs[0].places
    assert (place.split, place.row, place.tokens) == ("train", 0, (0, 4))
    assert [(place.split, place.row, place.tokens) for place in found.validation_runs[0].places] == [
        ("validation", 0, (0, 3)),
        ("validation", 1, (3, 6)),
    ]
    assert (found.tokens, found.given, found.traced_tokens) == (13, 2, 6)
    assert [(one.n, one.ngrams, one.new) for one in found.novelty] == [(1, 11, 5), (2, 11, 6), (3, 11, 7), (4, 10, 8)]


def test_places_are_the_first_and_told_as_many_as_asked_for(letter_index):
    [run] = trace(letter_index, letters("abc"), SETTINGS).runs
    assert run.train == 3
    assert [(place.row, place.tokens) for place in run.places] == [(0, (0, 3)), (1, (3, 6))]


def test_a_run_does_not_go_over_the_end_of_a_row_though_the_stream_does(letter_index):
    assert [run.text for run in trace(letter_index, letters("defxyz"), SETTINGS).runs] == ["def", "xyz"]


def test_the_articles_of_a_place_are_those_that_locate_names(tiny_index, causal):
    for run in trace(tiny_index, from_text(causal.tokenizer, " ".join(SENTENCES)), SETTINGS).runs:
        for place in run.places:
            _, _, origins = Origins(tiny_index.shards.path, tiny_index.shards.manifest).locate(place.split, place.row)
            [located] = [as_json(origin) for origin in origins]
            [named] = place.articles
            assert (named.page_id, named.title, named.url) == (located["page_id"], located["title"], located["url"])


def test_an_empty_text_and_an_unknown_one_have_no_runs(letter_index):
    for text in ("", "k", "lmnop" * 3):
        found = trace(letter_index, letters(text), SETTINGS)
        assert found.runs == found.validation_runs == ()
        assert all(one.share == 1 for one in found.novelty)


def test_the_yardstick_is_how_new_validation_rows_are(letter_index):
    found = novelty_of_unseen(letter_index, SETTINGS)
    assert [(one.n, one.ngrams, one.new) for one in found] == [(1, 12, 6), (2, 10, 6), (3, 8, 6), (4, 6, 6)]


def test_overlapping_runs_are_marked_by_their_numbers(letter_index):
    assert marked(trace(letter_index, letters("kxyzabcdk", given=2), SETTINGS)) == "k[1 x‖yz[2 abc 1]d 2]k"


def test_nothing_of_a_text_acts_on_a_terminal(letter_index):
    text = "abc\x1b[2J\u202e\r\u2028"
    traced = TokenizedText(text, (*letters("abc").ids, *[300] * 7), tuple((i, i + 1) for i in range(10)))
    result = result_of("m\x1b", 3, [TracedText("text", trace(letter_index, traced, SETTINGS))], ())
    shown = describe(result)
    assert "[1 abc 1]␛[2J" in shown
    assert not {"\x1b", "\u202e", "\r", "\u2028"} & set(shown)
