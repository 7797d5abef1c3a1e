"""Values of MinHash are the same with and without a compiler, and estimate the similarity of n-grams."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.duplicates import signatures as module
from pipeline.duplicates.signatures import prepare, sign, signatures
from tests.helpers.pipeline_runs import prose

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=6)


def ngrams(text: str, size: int) -> set[str]:
    return {text[at : at + size] for at in range(max(1, len(text) - size + 1))}


@given(TEXTS, st.integers(1, 20), st.sampled_from([1, 7, 33]))
def test_compiled_code_gives_the_values_of_plain_python(texts: list[str], ngram: int, permutations: int) -> None:
    signed = signatures(pa.array(texts, pa.string()), ngram, permutations)
    assert signed.shape == (len(texts), permutations)
    for values, text in zip(signed, texts, strict=True):
        np.testing.assert_array_equal(values, sign(text, ngram, permutations))


@given(TEXTS, st.integers(0, 6))
def test_a_text_has_the_same_values_wherever_it_stands_in_its_array(texts: list[str], first: int) -> None:
    whole = signatures(pa.array(texts, pa.string()), 5, 16)
    np.testing.assert_array_equal(signatures(pa.array(texts, pa.string())[first:], 5, 16), whole[first:])


@pytest.mark.parametrize("changed", [0, 5, 20, 60])
def test_the_share_of_equal_values_is_about_the_similarity(changed: int) -> None:
    words = prose(1, 400).split()
    other = [*words[: 400 - changed], *prose(2, changed).split()]
    one, two = " ".join(words), " ".join(other)
    both = signatures(pa.array([one, two]), 13, 1024)
    grams, others = ngrams(one, 13), ngrams(two, 13)
    assert (both[0] == both[1]).mean() == pytest.approx(len(grams & others) / len(grams | others), abs=0.06)


def test_without_a_compiler_the_user_is_told_and_the_values_stay(monkeypatch: pytest.MonkeyPatch, near: object) -> None:
    texts = pa.array(["a", "some text", ""])
    compiled = signatures(texts, 3, 8)
    monkeypatch.setattr(module, "_compiled", lambda: None)
    np.testing.assert_array_equal(signatures(texts, 3, 8), compiled)
    assert "many times longer" in (prepare(near) or "")  # type: ignore[arg-type]
