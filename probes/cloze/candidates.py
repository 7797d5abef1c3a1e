"""Find the words that may stand in a blank, and how the tokenizer reads the whole text with each of them.

Which pieces a word is made of depends on the text around it, and so do the pieces of that text: `.` after a word,
`house` after `light`. So each word is put into the text and the whole is encoded.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from probes.model import Encoded, LoadedModel
from probes.output import quoted
from wikilm.errors import UsageError

_AT_A_TIME = 2048  # texts encoded in one call: what they are encoded to is dropped but for the ids


@dataclass(frozen=True)
class Filled:
    """A text with a word in its blank, as the model reads it."""

    word: str
    ids: tuple[int, ...]  # of the whole text
    first: int  # the tokens that stand for the word, and for the space before it, begin here
    last: int  # and end before this one

    @property
    def own(self) -> tuple[int, ...]:
        """The tokens that stand for the word."""
        return self.ids[self.first : self.last]


def fill_in(loaded: LoadedModel, before: str, after: str, words: Iterable[str]) -> list[Filled]:
    """Put each of `words` between `before` and `after`; of words that give the same ids, the first."""
    found: dict[tuple[int, ...], Filled] = {}
    waiting = list(words)
    for start in range(0, len(waiting), _AT_A_TIME):
        some = waiting[start : start + _AT_A_TIME]
        read = loaded.encode_all([before + word + after for word in some])
        for word, encoded in zip(some, read, strict=True):
            first, last = tokens_of(encoded, before, word)
            found.setdefault(encoded.ids, Filled(word, encoded.ids, first, last))
    return list(found.values())


def fill_given(loaded: LoadedModel, before: str, after: str, words: Iterable[str]) -> list[Filled]:
    """Put words that were asked for into the blank, as `fill_in` does.

    Raises:
        UsageError: one of them is blank, or no token stands for it.
    """
    found = fill_in(loaded, before, after, words)
    for filled in found:
        if not filled.word.strip() or not filled.own:
            raise UsageError(f"--word {quoted(filled.word)}: no token of {loaded.name} stands for it; give another")
    return found


def shown(loaded: LoadedModel, filled: Filled) -> str:
    """Return how a word is shown: one token so that no two look alike, several as their text."""
    ids = filled.own
    return loaded.show(ids[0]) if len(ids) == 1 else loaded.text_after(filled.ids[: filled.first], ids)


def tokens_of(encoded: Encoded, before: str, word: str) -> tuple[int, int]:
    """Return the range of tokens that stand for the word after `before`, and for a space right before it."""
    return encoded.cut(len(before) - before.endswith(" "), len(before) + len(word))


def fitting_entries(loaded: LoadedModel, before: str, after: str) -> list[Filled]:
    """Return every entry of the vocabulary that can stand in the blank as one token of the whole text.

    Entries begin with a space after a space, at the start of a text as the tokenizer writes them there, and in the
    middle of a word without one: the tokenizer itself is asked which fit.
    """
    special = set(loaded.tokenizer.all_special_ids)
    words = _parts(vocabulary_words(loaded), before, after)
    return [
        filled
        for filled in fill_in(loaded, before, after, words)
        if len(filled.own) == 1 and filled.own[0] not in special
    ]


def vocabulary_words(loaded: LoadedModel) -> list[str]:
    """Return the text of each entry of the vocabulary, without spaces around it, in the order of the ids and once.

    Left out are special tokens, spaces, and bytes that are no whole character.
    """
    leave_out = set(loaded.tokenizer.all_special_ids)
    ids = [i for i in range(loaded.vocab_size) if i not in leave_out]
    # After another piece, since alone a piece may lose its space or keep its ##.
    one = loaded.encode("a")
    ahead = next(i for i, added in zip(one.ids, one.added, strict=True) if not added)
    start = len(loaded.decode([ahead]))
    texts = (text[start:].strip() for text in loaded.decode_all([[ahead, i] for i in ids]))
    return list(dict.fromkeys(text for text in texts if text and "\ufffd" not in text))


def _parts(words: Sequence[str], before: str, after: str) -> list[str]:
    """Return `words`, and what is left of them where the text around the blank has their beginning or end already."""
    stem = before.split(" ")[-1]
    tail = after.split(" ")[0]
    tail = tail[: next((n for n, c in enumerate(tail) if not c.isalnum()), len(tail))]
    begun = [word[len(stem) :] for word in words if stem and word.startswith(stem) and word != stem]
    both = [*words, *begun]
    ended = [word[: -len(tail)] for word in both if tail and word.endswith(tail) and word != tail]
    return [*both, *ended]
