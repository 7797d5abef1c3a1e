"""Words are counted as `tokenizers` cuts them, in pieces of any number and order."""

import re
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

import pipeline.tokens.words
from pipeline.tokens.bpe import alphabet
from pipeline.tokens.encoder import HARD_TEXT
from pipeline.tokens.words import COLUMNS, count_words, merge

BYTES = {character: byte for byte, character in enumerate(alphabet())}
TEXTS = st.lists(st.text(st.one_of(st.sampled_from(" \n\t\r\x1c\x85\xa0 a1.'éß年́"), st.characters(codec="utf-8"))))


def cut(texts: list[str]) -> Counter[str]:
    """Words by `tokenizers` alone, in the alphabet of bytes, and back."""
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = Counter(word for text in texts for word, _ in whole.pre_tokenize_str(text))
    return Counter({bytes(BYTES[letter] for letter in word).decode(): count for word, count in words.items()})


def arrays(texts: list[str]) -> list[pa.Array]:
    """Put texts into batches: of one, of two, and of the rest."""
    parts = (texts[:1], texts[1:3], texts[3:], [])
    return [pa.array(part, pa.string()) for part in parts]


def as_dict(table: pa.Table) -> dict[str, int]:
    return dict(zip(table["word"].to_pylist(), table["count"].to_pylist(), strict=True))


@given(TEXTS)
@example(["你好世界" * 60 + "，" + "こんにちは " * 3, "a" * 300 + " b", "a b"])
@example([HARD_TEXT, *HARD_TEXT.split(), "  a  b ", " ", "", "\x1c \x1c a", "it's 'll ' s"])
@example(["".join(map(chr, range(128))), " ".join(map(chr, range(256))), "a\x85 b\u2028 c\u180e d"])
def test_words_are_those_of_tokenizers(texts):
    assert as_dict(merge(count_words(arrays(texts)))) == cut(texts)


def test_the_alphabet_is_that_of_tokenizers():
    assert sorted(alphabet()) == sorted(pre_tokenizers.ByteLevel.alphabet())
    assert "".join(alphabet()[byte] for byte in " é\n".encode()) == "ĠÃ©Ċ"


def test_pieces_that_are_taken_for_one_word_are_one():
    one_word = re.compile(pipeline.tokens.words._ONE_WORD)
    letters = [chr(code) for code in range(0x3000) if one_word.match(chr(code))]
    assert len(letters) > 1000
    for letter in letters:
        assert cut([f" {letter}{letter}a"]) == {f" {letter}{letter}a": 1}


@pytest.mark.parametrize(("held", "size"), [(1, 1), (300, 1), (2000, 10**9)])
def test_counts_that_are_added_up_in_parts_are_those_of_the_whole(monkeypatch, held, size):
    texts = [HARD_TEXT, "the river of stone", "", *HARD_TEXT.split()] * 3
    expected = merge(count_words(arrays(texts)))
    monkeypatch.setattr(pipeline.tokens.words, "HELD_BYTES", held)
    monkeypatch.setattr(pipeline.tokens.words, "MERGE_BYTES", size)
    tables = list(count_words(pa.array([text], pa.string()) for text in texts))
    assert len(tables) > 2
    assert merge(tables).equals(expected) and merge(reversed(tables)).equals(expected)  # noqa: PT018
    assert expected["word"].to_pylist() == sorted(cut(texts))


def test_no_texts_have_no_words():
    assert merge(count_words([])).equals(COLUMNS.empty_table())
    assert merge(count_words(arrays([""]))).num_rows == 0
