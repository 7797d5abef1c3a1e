"""Count the bytes of text that each token stands for, where a tokenizer's tokens are pieces of UTF-8."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from train.plan import Ints

LAST_OF_ALPHABET = "\u0143"  # byte-level BPE writes each byte as one character, none beyond this (GPT-2's encoder.py)
NONE_OF_MASKED = "none: the loss is that of single hidden tokens, which is no probability of a text"
NONE_OF_TOKENIZER = "none: this tokenizer is no byte-level BPE, so its tokens are not known to be bytes of the text"


def token_bytes(tokenizer_json: Path, vocab_size: int) -> Ints | None:
    """Return the UTF-8 bytes that each token stands for, int64 [vocab_size]; special tokens stand for none.

    None where the tokenizer is no byte-level BPE, or changes the text: then a sum would be no honest count of bytes.
    """
    content = json.loads(tokenizer_json.read_bytes())
    if not is_byte_level(content):
        return None
    counts = np.zeros(vocab_size, dtype=np.int64)
    for token, index in content["model"]["vocab"].items():
        if max(token, default="") <= LAST_OF_ALPHABET and index < vocab_size:
            counts[index] = len(token)
    for added in content.get("added_tokens") or ():
        if added["id"] < vocab_size:
            counts[added["id"]] = 0 if added["special"] else len(added["content"].encode())
    return counts


def is_byte_level(content: Mapping[str, Any]) -> bool:
    """Return whether a `tokenizer.json` cuts the bytes of a text into tokens and leaves every byte as it is.

    NFC may come before: it is the form in which MediaWiki stores its pages.
    """
    normalizer, splitters = content.get("normalizer"), steps_of(content.get("pre_tokenizer"), "pretokenizers")
    [*before, last] = splitters or [{}]
    return (
        content.get("model", {}).get("type") == "BPE"
        and (normalizer is None or normalizer.get("type") == "NFC")
        and last.get("type") == "ByteLevel"
        and not last.get("add_prefix_space")
        and all(step.get("type") == "Split" and step.get("behavior") != "Removed" for step in before)
        and [step.get("type") for step in steps_of(content.get("decoder"), "decoders")] == ["ByteLevel"]
    )


def steps_of(part: Mapping[str, Any] | None, name: str) -> list[Mapping[str, Any]]:
    """Return the steps of a part of a tokenizer, which may be one step or a sequence of them."""
    if part is None:
        return []
    return list(part[name]) if part.get("type") == "Sequence" else [part]
