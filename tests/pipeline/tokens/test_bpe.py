"""What is learned from counted words is what `tokenizers` learns from the texts."""

import json
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from pipeline.tokens.bpe import learn
from pipeline.tokens.encoder import HARD_TEXT
from pipeline.tokens.words import count_words, merge

SPECIAL = ["<|endoftext|>", "<|mask|>"]


def ours(texts: list[str], size: int, least: int) -> dict[str, Any]:
    return model(Tokenizer(learn(merge(count_words([pa.array(texts, pa.string())])), size, least, SPECIAL)))


def theirs(texts: list[str], size: int, least: int) -> dict[str, Any]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=least, initial_alphabet=alphabet, special_tokens=SPECIAL, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return model(tokenizer)


def model(tokenizer: Tokenizer) -> dict[str, Any]:
    """The model in tokenizer.json: vocabulary, merges in their order, and options."""
    return json.loads(tokenizer.to_str())["model"]


@settings(max_examples=200)
@given(st.lists(st.text("aab é", min_size=1, max_size=40), min_size=1), st.integers(258, 330), st.integers(0, 3))
def test_merges_and_their_order_are_those_of_tokenizers_ties_and_overlaps_included(texts, size, least):
    assert ours(texts, size, least) == theirs(texts, size, least)


def test_the_same_holds_for_text_of_all_scripts_and_for_more_entries_than_it_gives():
    texts = [HARD_TEXT, *HARD_TEXT.split()] * 2
    for size in (258, 300, 5000):
        assert ours(texts, size, 2) == theirs(texts, size, 2)
