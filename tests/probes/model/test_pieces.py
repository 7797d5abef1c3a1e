"""Text and pieces: whole texts are cut by characters, whole ids are decoded and cut, in every kind of tokenizer."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PythonBackend

from probes.model.pieces import check_offsets, common_start
from tests.helpers.families import CAUSAL, MASKED
from tests.helpers.tokenizers import SENTENCES
from wikilm.errors import RunError

FAMILIES = (*CAUSAL, *MASKED)
TEXT = "The river runs, Café 日 lighthouse."
WORDS = st.lists(st.sampled_from([*" ".join(SENTENCES).split(), "é日", "don't", "\n", "x.y", "  "]), max_size=8)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_text_is_read_as_its_own_tokenizer_reads_it(family, name):
    loaded = family(name)
    encoded = loaded.encode(TEXT)
    assert list(encoded.ids) == loaded.tokenizer(TEXT)["input_ids"]
    own = [i for i, added in zip(encoded.ids, encoded.added, strict=True) if not added]
    assert own == loaded.tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    assert encoded.added[0] == (name in (*MASKED, "llama", "opt")), "BOS, and what wraps a text, count as added"


@pytest.mark.parametrize("name", FAMILIES)
def test_the_tokens_of_a_word_are_those_that_stand_for_its_characters(family, name):
    encoded = family(name).encode(TEXT)
    for word in ("The", "river", "lighthouse", "."):
        start = TEXT.index(word)
        first, last = encoded.cut(start, start + len(word))
        assert encoded.spans[first][0] <= start
        assert encoded.spans[last - 1][1] >= start + len(word)
        assert first == 0 or encoded.added[first - 1] or encoded.spans[first - 1][1] <= start
    assert encoded.cut(len(TEXT), len(TEXT)) == (sum(not a for a in encoded.added) + encoded.added[0],) * 2


@pytest.mark.parametrize("name", FAMILIES)
def test_no_two_pieces_look_alike(family, name):
    loaded = family(name)
    shown = [loaded.show(i) for i in range(loaded.vocab_size)]
    assert len(set(shown)) == len(shown)
    assert not any("\ufffd" in piece for piece in shown)
    assert loaded.show(loaded.vocab_size + 1) == f"<id {loaded.vocab_size + 1}>"


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        ("gpt2", ["The", " river", " ", "Ã", "©"]),
        ("llama", ["<s>", "▁The", "▁river", "▁", "<0xC3>", "<0xA9>"]),
        ("bert", ["[CLS]", "the", "river", "e", "[SEP]"]),
        ("xlm-roberta", ["<s>", "▁", "T", "he", "▁", "r", "ive", "r", "▁", "<unk>", "</s>"]),
    ],
)
def test_pieces_are_shown_by_their_text_or_else_by_their_name(family, name, pieces):
    loaded = family(name)
    assert [loaded.show(i) for i in loaded.encode("The river é").ids] == pieces


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=8)
@given(words=WORDS, data=st.data())
def test_a_text_is_its_beginning_and_what_the_rest_of_its_tokens_adds(family, name, words, data):
    loaded = family(name)
    ids = loaded.encode(" ".join(words)).ids
    at = data.draw(st.integers(0, len(ids)))
    for special in (True, False):
        whole, added = loaded.decode(ids, special=special), loaded.text_after(ids[:at], ids[at:], special=special)
        assert whole.endswith(added)
        assert "".join(loaded.texts_after(ids[:at], ids[at:], special=special)) == added
        if "\ufffd" not in (before := loaded.decode(ids[:at], special=special)) and loaded.kind == "causal":
            assert before + added == whole


@pytest.mark.parametrize("name", FAMILIES)
def test_a_continuation_keeps_its_spaces_and_joins_the_parts_of_words(family, name):
    loaded = family(name)
    encoded = loaded.encode("The lighthouse keeper counted ships")
    at = encoded.cut(4, 35)[0]
    rest = encoded.ids[at : len(encoded.ids) - encoded.added[-1]]
    assert loaded.text_after(encoded.ids[:at], rest, special=False) == " lighthouse keeper counted ships"


def test_a_character_of_several_pieces_comes_with_its_last(family):
    loaded = family("gpt2")
    ids = loaded.encode("a日b").ids
    assert loaded.texts_after((), ids) == ("a", "", "", "日", "b")
    assert loaded.text_after(ids[:2], ids[2:]) == "日b"


def test_a_tokenizer_without_offsets_is_refused_in_one_line():
    class Slow(PythonBackend):
        """A tokenizer written in Python."""

        vocab_size = 1

        def get_vocab(self):
            return {"a": 0}

    with pytest.raises(RunError, match=r"^some/model: its tokenizer \(Slow\) cannot say which characters"):
        check_offsets("some/model", Slow())


def test_ids_of_a_tensor_are_shown_too(family):
    assert family("gpt2").show(torch.tensor(0)) == "<|endoftext|>"


@pytest.mark.parametrize(("one", "other", "length"), [("", "a", 0), ("ab", "ac", 1), ("ab", "abc", 2), ("x", "y", 0)])
def test_texts_begin_alike_up_to_the_first_difference(one, other, length):
    assert common_start(one, other) == length
