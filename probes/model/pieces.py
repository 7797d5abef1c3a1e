"""Turn text into the pieces that a model reads and back, for every way in which tokenizers write spaces and bytes.

A piece of a text depends on what stands around it: SentencePiece writes `.` after a word as `.` and alone as `▁` `.`,
WordPiece joins `light` and `##house`, and one letter may take several byte pieces. So a text is always encoded as a
whole and cut by its offsets, and ids are decoded as a whole and cut where the text grew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from wikilm.errors import RunError


@dataclass(frozen=True)
class Encoded:
    """A whole text as a model reads it: with what its tokenizer puts before and after it."""

    text: str
    ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]  # the characters of `text` that each token stands for; empty for an added one
    added: tuple[bool, ...]  # which tokens the tokenizer put there itself: <s>, [CLS], [SEP]

    def cut(self, start: int, end: int) -> tuple[int, int]:
        """Return the range of tokens, first and behind the last, that stand for any character from `start` to `end`.

        A lone space has an empty span in some tokenizers, at the character behind it. Where no token stands for any of
        the characters, the range is empty and lies behind the tokens before `start`.
        """
        own = [(n, a, b) for n, (a, b) in enumerate(self.spans) if not self.added[n]]
        inside = [n for n, a, b in own if (a < end and b > start) or (a == b and start <= a < end)]
        if inside:
            return inside[0], inside[-1] + 1
        at = max([n + 1 for n, _, b in own if b <= start], default=own[0][0] if own else len(self.ids))
        return at, at


def check_offsets(name: str, tokenizer: Any) -> None:
    """Refuse a tokenizer that cannot say which characters a token stands for.

    Raises:
        RunError: it is a slow one, written in Python, as a few older models have.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise RunError(
            f"{name}: its tokenizer ({type(tokenizer).__name__}) cannot say which characters a token stands for; "
            "give a model with a tokenizer.json"
        )


def encode_all(tokenizer: Any, texts: Sequence[str]) -> list[Encoded]:
    """Encode whole texts, all in one call, with the tokenizer's own special tokens: <s>, [CLS] and [SEP]."""
    if not texts:
        return []
    found = tokenizer(list(texts), return_offsets_mapping=True, return_special_tokens_mask=True, verbose=False)
    lists = (found["input_ids"], found["offset_mapping"], found["special_tokens_mask"])
    return [
        Encoded(text, tuple(ids), tuple(map(tuple, spans)), tuple(map(bool, mask)))
        for text, ids, spans, mask in zip(texts, *lists, strict=True)
    ]


def show(tokenizer: Any, token_id: int) -> str:
    """Return one piece so that no two look alike and its spaces can be seen.

    Byte-level BPE gives its text (` river`), and the name in the vocabulary where the bytes are no whole character.
    All others give the name: `▁river` beside `river`, `##house` beside `house`, `<0x0A>`, `[CLS]`. An id beyond the
    vocabulary is shown as `<id 50300>`.
    """
    name = tokenizer.convert_ids_to_tokens(int(token_id)) if 0 <= token_id < len(tokenizer) else None
    if name is None:
        return f"<id {token_id}>"
    if not spells_bytes(tokenizer):
        return str(name)
    text = decode(tokenizer, [token_id])
    return str(name) if "\ufffd" in text else text


def spells_bytes(tokenizer: Any) -> bool:
    """Return whether names in the vocabulary spell bytes (`Ġriver`), as in the BPE of GPT-2 and many after it."""
    decoder = tokenizer.backend_tokenizer.decoder
    return decoder is not None and b'"ByteLevel"' in decoder.__getstate__()


def decode(tokenizer: Any, ids: Sequence[int], *, special: bool = True) -> str:
    """Return the text of ids that make a whole; special tokens by name, or left out.

    Nothing is tidied up afterwards: a space before a full stop stays where the tokenizer has one.
    """
    return str(tokenizer.decode(list(ids), skip_special_tokens=not special, clean_up_tokenization_spaces=False))


def decode_all(tokenizer: Any, rows: Sequence[Sequence[int]]) -> list[str]:
    """Decode each of `rows` as `decode` does, all in one call."""
    return list(tokenizer.batch_decode([list(row) for row in rows], clean_up_tokenization_spaces=False))


def text_after(tokenizer: Any, prefix: Sequence[int], ids: Sequence[int], *, special: bool = True) -> str:
    """Return what `ids` add to the text of `prefix`: the text of both less the text of the first.

    Decoded alone, the first piece would lose its space or gain a `##`. A character whose bytes begin in `prefix` and
    end in `ids` belongs to what is added.
    """
    before, whole = decode(tokenizer, prefix, special=special), decode(tokenizer, [*prefix, *ids], special=special)
    return whole[common_start(before, whole) :]


def texts_after(tokenizer: Any, prefix: Sequence[int], ids: Sequence[int], *, special: bool = True) -> tuple[str, ...]:
    """Return what each of `ids` adds to the text before it; joined, they are `text_after`.

    A token that only begins a character adds nothing: the character comes with the token that completes it.
    """
    wholes = [decode(tokenizer, [*prefix, *ids[:n]], special=special) for n in range(len(ids) + 1)]
    ends = [common_start(text, wholes[-1]) for text in wholes]
    ends = [max(ends[: n + 1]) for n in range(len(ends))]
    return tuple(wholes[-1][a:b] for a, b in pairwise(ends))


def common_start(one: str, other: str) -> int:
    """Return how many characters two texts begin with alike."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
