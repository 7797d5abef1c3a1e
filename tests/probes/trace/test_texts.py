"""A tokenized text knows where each token stands in it, and has the ids that the shards have for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.trace import from_ids, from_text
from wikilm.errors import UsageError


@given(st.text(max_size=30), st.integers(0, 30))
def test_any_text_has_its_own_letters_at_the_offsets(causal, text, given_characters):
    found = from_text(causal.tokenizer, text, given_characters)
    assert found.text == text
    assert causal.tokenizer.decode(found.ids, clean_up_tokenization_spaces=False) == text
    assert list(found.offsets) == sorted(found.offsets)
    assert all(0 <= start <= end <= len(text) for start, end in found.offsets)
    assert found.given == sum(start < given_characters for start, _ in found.offsets)


def test_an_article_may_name_a_special_token_and_a_model_may_choose_one(causal):
    end = causal.tokenizer.eos_token
    assert causal.tokenizer.eos_token_id not in from_text(causal.tokenizer, f"a{end}b").ids
    assert causal.tokenizer.eos_token_id in from_text(causal.tokenizer, f"a{end}b", special=True).ids


@given(st.text(max_size=12), st.data())
def test_what_a_model_added_is_its_ids_as_text(causal, prompt, data):
    size = len(causal.tokenizer)
    ids = data.draw(st.lists(st.integers(0, size - 1), max_size=20))  # bytes that are no character, too
    found = from_ids(causal.tokenizer, prompt, ids)
    given = len(from_text(causal.tokenizer, prompt).ids)
    assert found.given == given
    assert list(found.ids[given:]) == ids
    assert found.text.startswith(prompt)
    assert found.text == prompt + causal.tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    assert list(found.offsets) == sorted(found.offsets)
    assert not ids or found.offsets[-1][1] == len(found.text)


def test_an_id_that_the_tokenizer_lacks_is_named(causal):
    with pytest.raises(UsageError, match="token id 90000"):
        from_ids(causal.tokenizer, "a", [90000])
