"""Turn a text into token ids, or ids into a text, and keep where each token stands in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from wikilm.errors import UsageError


@dataclass(frozen=True)
class TokenizedText:
    """A text with its tokens."""

    text: str
    ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]  # of each token: its first character, and the one after its last
    given: int = 0  # tokens of a prompt; a model chose those after them


@dataclass(frozen=True)
class Vocabulary:
    """The tokenizer of a model, without its weights."""

    name: str  # of the model, as the caller gave it
    folder: Path  # where its files lie
    tokenizer: Any  # a transformers tokenizer

    @property
    def vocab_size(self) -> int:
        """Number of ids."""
        return len(self.tokenizer)


def vocabulary_of(name: str) -> Vocabulary:
    """Load the tokenizer of a model, in a folder or on the hub.

    Raises:
        RunError: there is none.
    """
    from probes.model import load_tokenizer, pieces  # with torch, which an index is made without
    from wikilm.pretrained import model_folder

    folder = model_folder(name)
    tokenizer = load_tokenizer(folder)
    pieces.check_offsets(name, tokenizer)
    return Vocabulary(name, folder, tokenizer)


def from_text(tokenizer: Any, text: str, given: int = 0, *, special: bool = False) -> TokenizedText:
    """Tokenize a text as the shards' articles were: nothing is added before or after it.

    Args:
        tokenizer: of the shards.
        text: any.
        given: characters of a prompt; tokens that start in it are given.
        special: whether the name of a special token stands for it, as in the text of a model; in an article it is text.
    """
    found = tokenizer(
        text, add_special_tokens=False, return_offsets_mapping=True, split_special_tokens=not special, verbose=False
    )
    offsets = tuple((int(start), int(end)) for start, end in found["offset_mapping"])
    ids = tuple(int(i) for i in found["input_ids"])
    return TokenizedText(text, ids, offsets, sum(start < given for start, _ in offsets))


def from_ids(tokenizer: Any, prompt: str, ids: Sequence[int]) -> TokenizedText:
    """Join a prompt and the ids that a model added to it. A character of several tokens stands where the last does.

    Raises:
        UsageError: an id that the tokenizer does not have.
    """
    from probes.model import pieces

    wrong = next((i for i in ids if not 0 <= i < len(tokenizer)), None)
    if wrong is not None:
        raise UsageError(f"token id {wrong}: the tokenizer has {len(tokenizer)}; name the model that made the text")
    given = from_text(tokenizer, prompt)
    added = pieces.texts_after(tokenizer, given.ids, ids)
    ends = list(accumulate(map(len, added), initial=len(prompt)))
    return TokenizedText(prompt + "".join(added), (*given.ids, *ids), (*given.offsets, *pairwise(ends)), len(given.ids))
