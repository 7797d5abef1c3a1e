"""Articles that are alike are found, in time that grows with their number alone.

Near duplicates are those that a comparison of all n-grams finds, up to the error of an estimate.
"""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.articles import Articles
from pipeline.duplicates import (
    Comparison,
    find_matches,
    matches,
    print_columns,
    print_schema,
    prints_name,
    prints_of,
)
from pipeline.duplicates.groups import components
from pipeline.duplicates.matches import MANY, alike, read_matches
from pipeline.output import ArrowFile
from pipeline.settings import ShardsSettings
from pipeline.storage import Place, parse_place
from tests.helpers.pipeline_runs import prose

ORIGINALS = 240
WORDS = 300
CJK = [chr(code) for code in range(0x4E00, 0x4E00 + 2000)]
PAIRS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40)


def pairs_of(buckets: Sequence[int], values: Sequence[Sequence[int]], needed: int) -> set[tuple[int, int]]:
    found = alike(
        np.array(buckets, np.int64),
        np.array(values, np.uint8).reshape(len(buckets), len(values[0]) if values else 1),
        needed,
    )
    return {pair for later, earlier in found for pair in zip(later.tolist(), earlier.tolist(), strict=True)}


@given(st.lists(st.tuples(st.integers(0, 4), st.tuples(*[st.integers(0, 2)] * 4)), max_size=30), st.integers(1, 4))
def test_all_pairs_of_a_small_bucket_are_compared(articles: list[tuple[int, tuple[int, ...]]], needed: int) -> None:
    articles.sort(key=lambda article: article[0])
    expected = {
        (later, earlier)
        for later, (bucket, values) in enumerate(articles)
        for earlier, (other, others) in enumerate(articles[:later])
        if bucket == other and sum(a == b for a, b in zip(values, others, strict=True)) >= needed
    }
    assert pairs_of([bucket for bucket, _ in articles], [values for _, values in articles], needed) == expected


def test_equal_articles_of_a_large_bucket_are_each_compared_with_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matches, "PAIRS_AT_ONCE", 1000)
    count = 20_000
    assert pairs_of([7] * count, [[1, 2]] * count, 2) == {(later, 0) for later in range(1, count)}


def test_kinds_of_article_in_a_large_bucket_are_told_apart() -> None:
    kinds = [number % 5 for number in range(10 * MANY)]
    found = pairs_of([0] * len(kinds), [[kind] for kind in kinds], 1)
    assert {later for later, _ in found} == set(range(5, len(kinds)))
    assert all(kinds[later] == kinds[earlier] for later, earlier in found)


@given(PAIRS)
def test_a_group_is_all_that_pairs_lead_to(pairs: list[tuple[int, int]]) -> None:
    groups = [{node} for node in range(31)]
    for one, other in pairs:
        joined = groups[one] | groups[other]
        for node in joined:
            groups[node] = joined
    edges = np.array(pairs, np.int64).reshape(-1, 2)
    found = components(31, lambda: [(edges[:3, 0], edges[:3, 1]), (edges[3:, 0], edges[3:, 1])])
    assert found.tolist() == [min(group) for group in groups]


def changed(text: str, changes: int, seed: int) -> str:
    """The text with so many characters replaced."""
    characters, drawn = list(text), random.Random(seed)
    for place in drawn.sample(range(len(characters)), changes):
        characters[place] = drawn.choice("xyz測")
    return "".join(characters)


def jaccard(one: str, other: str, size: int) -> float:
    first, second = ({text[at : at + size] for at in range(len(text) - size + 1)} for text in (one, other))
    return len(first & second) / len(first | second)


def found_in(work: Place, texts: list[str], shards: ShardsSettings) -> set[tuple[int, int]]:
    """The pairs (earlier, later) that are found, of texts that are numbered from 0."""
    count = len(texts)
    numbers = np.arange(count)
    articles = Articles(numbers, numbers, pa.array([""] * count), numbers)
    with work.create(prints_name(0)) as file:
        prints = ArrowFile(prints_name(0), file, print_schema(shards))
        prints.append(print_columns(articles, prints_of(pa.array(texts), shards)))
        prints.close()
    comparison = Comparison(work, [count], shards)
    for task in [*comparison.digest_tasks, *comparison.band_tasks]:
        find_matches(task, comparison)
    return {
        pair
        for later, earlier in read_matches(comparison)
        for pair in zip(earlier.tolist(), later.tolist(), strict=True)
    }


@pytest.mark.parametrize("script", ["words", "no spaces"])
def test_pairs_above_the_threshold_are_found_and_those_below_are_not(
    near: ShardsSettings, tmp_path: Path, script: str
) -> None:
    drawn = random.Random(1)
    originals = [
        prose(number, WORDS) if script == "words" else "".join(drawn.choices(CJK, k=WORDS * 3))
        for number in range(ORIGINALS)
    ]
    texts = [*originals, *(changed(text, 1 + number % 40, number) for number, text in enumerate(originals))]
    found = found_in(parse_place(str(tmp_path), "DIR"), texts, near)
    similar = np.array([jaccard(texts[n], texts[n + ORIGINALS], near.near_ngram) for n in range(ORIGINALS)])
    is_found = np.array([(n, n + ORIGINALS) in found for n in range(ORIGINALS)])
    assert found <= {(n, n + ORIGINALS) for n in range(ORIGINALS)}  # texts of different origin are unlike
    threshold = near.near_threshold
    far_above, above = similar > threshold + 0.1, similar > threshold
    below, far_below = similar < threshold, similar < threshold - 0.15
    assert min(map(np.count_nonzero, (far_above, above & ~far_above, below & ~far_below, far_below))) > 10
    assert is_found[far_above].all()
    assert is_found[above].mean() > 0.9
    assert is_found[below].mean() < 0.2
    assert not is_found[far_below].any()


def test_of_equal_texts_each_is_found_once_and_they_are_looked_at_no_further(
    near: ShardsSettings, tmp_path: Path
) -> None:
    texts = [prose(1, WORDS)] * 2000 + [prose(2, WORDS), f"{prose(1, WORDS)} more"]
    found = found_in(parse_place(str(tmp_path), "DIR"), texts, near)
    assert found == {(0, later) for later in (*range(1, 2000), 2001)}
