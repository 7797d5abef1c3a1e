"""The tokens of a byte-level BPE stand for the bytes of the text; of other tokenizers nothing is claimed."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from tests.helpers.tokenizers import MASK
from train.rows.token_bytes import token_bytes

BYTE_LEVEL = pre_tokenizers.ByteLevel(add_prefix_space=False)


def saved(folder: Path, **parts: Any) -> Path:
    """A tokenizer of single bytes, with other parts."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({sign: index for index, sign in enumerate(alphabet)}, []))
    for name, part in {"pre_tokenizer": BYTE_LEVEL, "decoder": decoders.ByteLevel(), **parts}.items():
        setattr(tokenizer, name, part)
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return path


@given(text=st.text())
def test_the_bytes_of_its_tokens_are_those_of_the_text(tiny_tokenizer: Path, text: str) -> None:
    path = tiny_tokenizer / "tokenizer.json"
    content = json.loads(path.read_bytes()) | {"added_tokens": []}  # what text quotes is text, as in shards
    counts = token_bytes(path, 400)
    assert counts is not None
    ids = Tokenizer.from_str(json.dumps(content)).encode(text).ids
    assert counts[ids].sum() == len(text.encode())


def test_special_tokens_stand_for_no_text(tiny_tokenizer: Path) -> None:
    counts = token_bytes(tiny_tokenizer / "tokenizer.json", 400)
    assert counts is not None
    assert counts[[398, 399]].tolist() == [0, 0]
    assert (counts[:398] > 0).all()
    assert MASK


def test_added_tokens_that_are_text_have_its_bytes(tmp_path: Path) -> None:
    path = saved(tmp_path)
    content = json.loads(path.read_bytes())
    added = {"id": 256, "content": "né", "special": False}
    path.write_text(json.dumps(content | {"added_tokens": [added]}))
    counts = token_bytes(path, 257)
    assert counts is not None
    assert counts[256] == 3


@pytest.mark.parametrize(
    "parts",
    [
        {"pre_tokenizer": pre_tokenizers.Sequence([pre_tokenizers.Split("x", "isolated"), BYTE_LEVEL])},
        {"normalizer": normalizers.NFC()},
    ],
)
def test_what_cuts_before_it_and_keeps_all_bytes_is_counted(tmp_path: Path, parts: dict[str, Any]) -> None:
    assert token_bytes(saved(tmp_path, **parts), 256) is not None


@pytest.mark.parametrize(
    "parts",
    [
        {"pre_tokenizer": pre_tokenizers.ByteLevel(add_prefix_space=True)},
        {"pre_tokenizer": pre_tokenizers.Sequence([pre_tokenizers.Split("x", "removed"), BYTE_LEVEL])},
        {"pre_tokenizer": pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), BYTE_LEVEL])},
        {"pre_tokenizer": pre_tokenizers.Whitespace()},
        {"normalizer": normalizers.Lowercase()},
        {"normalizer": normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])},
        {"decoder": decoders.Metaspace()},
        {"model": models.WordPiece({"a": 0, "[UNK]": 1})},
        {"model": models.Unigram([("a", 0.0)])},
    ],
)
def test_of_a_tokenizer_that_loses_or_adds_bytes_nothing_is_claimed(tmp_path: Path, parts: dict[str, Any]) -> None:
    assert token_bytes(saved(tmp_path, **parts), 256) is None
