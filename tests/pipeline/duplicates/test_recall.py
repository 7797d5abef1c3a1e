"""Near duplicates are those that a comparison of all n-grams finds, up to the error of an estimate."""

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.articles import Articles
from pipeline.duplicates import Comparison, find_matches, print_columns, print_schema, prints_name, prints_of
from pipeline.duplicates.matches import read_matches
from pipeline.output import ArrowFile
from pipeline.settings import ShardsSettings
from pipeline.storage import Place, parse_place
from tests.helpers.pipeline_runs import prose

PAIRS = 240
WORDS = 300
CJK = [chr(code) for code in range(0x4E00, 0x4E00 + 2000)]


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
        for number in range(PAIRS)
    ]
    texts = [*originals, *(changed(text, 1 + number % 40, number) for number, text in enumerate(originals))]
    found = found_in(parse_place(str(tmp_path), "DIR"), texts, near)
    similar = np.array([jaccard(texts[n], texts[n + PAIRS], near.near_ngram) for n in range(PAIRS)])
    is_found = np.array([(n, n + PAIRS) in found for n in range(PAIRS)])
    assert found <= {(n, n + PAIRS) for n in range(PAIRS)}  # texts of different origin are unlike
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
