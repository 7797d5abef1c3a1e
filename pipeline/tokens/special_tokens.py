"""Rewrite a tokenizer.json so that no text can spell a special token; all other ids stay what they are."""

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
LISTED = ("additional_special_tokens", "extra_special_tokens")  # the second is what transformers 5 calls the first


def content_of(token: Any) -> str | None:
    """Return the text of a token as tokenizer_config.json holds it: a string, or a mapping with "content"."""
    content = token.get("content") if isinstance(token, Mapping) else token
    return content if isinstance(content, str) else None


def special_tokens(parts: Mapping[str, Any], config: Mapping[str, Any]) -> frozenset[str]:
    """Find the texts of all special tokens.

    Args:
        parts: tokenizer.json; those of its `added_tokens` that are flagged as special.
        config: tokenizer_config.json; those that it names, whatever their flag.
    """
    flagged = [token["content"] for token in parts["added_tokens"] if token["special"]]
    listed: list[Any] = []
    for name in LISTED:
        tokens = config.get(name) or ()
        listed += tokens.values() if isinstance(tokens, Mapping) else tokens
    named = [content_of(token) for token in [*(config.get(name) for name in NAMED), *listed]]
    return frozenset(content for content in [*flagged, *named] if content)


def hide(parts: Mapping[str, Any], specials: Iterable[str]) -> dict[str, Any]:
    """Give each special token another name, which no text holds since it is drawn at random; none of them is stored.

    A name is all that changes, since ids go by places: to take special tokens out of `added_tokens` would move the ids
    of the added tokens that are ordinary words, and a model may hold special tokens in its own vocabulary, too, where
    Unigram and WordPiece find them in a text. A special token of one character that the model holds is also what
    spells that character, so it stays.

    Args:
        parts: tokenizer.json.
        specials: from `special_tokens`.

    Returns:
        The same tokenizer, which neither adds nor cuts anything (no post-processor, truncation or padding).
    """
    vocab = parts["model"]["vocab"]
    held = vocab if isinstance(vocab, dict) else {piece for piece, _ in vocab}
    letters = {content for content in specials if len(content) == 1 and content in held}
    drawn = secrets.token_hex(16)
    names = {content: f"{drawn}-{number}" for number, content in enumerate(sorted(set(specials) - letters))}
    added = [token for token in parts["added_tokens"] if token["content"] not in letters]
    while added and added[-1]["content"] in names:  # on the last ones no id depends, and without any it is faster
        added.pop()
    return {
        **parts,
        "added_tokens": [{**token, "content": names.get(token["content"], token["content"])} for token in added],
        "model": _renamed(parts["model"], names),
        "post_processor": None,
        "truncation": None,
        "padding": None,
    }


def _renamed(model: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Rename tokens in the vocabulary of a model, and leave out the merges that make one or go on from one."""
    result, vocab = dict(model), model["vocab"]
    if isinstance(vocab, dict):
        result["vocab"] = {names.get(token, token): number for token, number in vocab.items()}
        if model.get("unk_token") in names:
            result["unk_token"] = names[model["unk_token"]]
    else:  # Unigram, which knows its unknown token by its place
        result["vocab"] = [[names.get(piece, piece), score] for piece, score in vocab]
    if "merges" in model:
        prefix = model.get("continuing_subword_prefix") or ""
        pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
        result["merges"] = [
            [left, right]
            for left, right in pairs
            if left not in names and right not in names and left + right.removeprefix(prefix) not in names
        ]
    return result
