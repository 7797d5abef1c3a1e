"""Find where a text stands in the corpus: in which row, of which article.

The rows of both splits are decoded and searched as one long text, which takes a second for the bundled corpus and is
not tried on a large one.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from probes.model.pieces import decode
from probes.report.story import Place, Split
from probes.settings import MASK
from wikilm.shards import SPLITS, Origins, ShardFolder

Found: TypeAlias = tuple[Place, str]  # where a text stands, and what stands in its blank or behind it there
MOST_ROWS = 8000  # of both splits: a million tokens, which decode in a second
LONGEST_ANSWER = 40  # characters that a blank may stand for


@dataclass(frozen=True)
class _Stream:
    """The rows of one split, as one text."""

    split: Split
    ids: NDArray[np.int64]
    text: str


def one_blank(text: str) -> tuple[str, str] | None:
    """Return what stands before and after the blank of a text; None where it has not just one."""
    before, blank, after = text.partition(MASK)
    return (before, after) if blank and MASK not in after else None


class Places:
    """Where texts stand in a folder of shards."""

    def __init__(self, shards: ShardFolder, tokenizer: Any) -> None:
        """Remember where to look; nothing is read until the first search."""
        self._shards, self._tokenizer = shards, tokenizer
        self._origins = Origins(shards.path, shards.manifest)

    @cached_property
    def searched(self) -> bool:
        """Return whether the corpus is small enough to be searched."""
        return sum(self._shards.manifest.row_count(split) for split in SPLITS) <= MOST_ROWS

    @cached_property
    def _streams(self) -> list[_Stream]:
        streams: list[_Stream] = []
        for split in SPLITS if self.searched else ():
            rows = self._shards.rows(split)
            ids = rows.take(np.arange(len(rows))).ravel()
            streams.append(_Stream("train" if split == "train" else "validation", ids, self._decode(ids)))
        return streams

    def _decode(self, ids: NDArray[np.int64]) -> str:
        return decode(self._tokenizer, ids.tolist())

    def blank(self, before: str, after: str) -> Found | None:
        """Find a sentence with a blank, and what stands in it: in training text first, else in validation text."""
        pattern = re.compile(f"{re.escape(before)}([^\n]{{1,{LONGEST_ANSWER}}}?){re.escape(after)}")
        for stream in self._streams:
            if match := pattern.search(stream.text):
                return self._place(stream, match.start(1)), match[1]
        return None

    def following(self, text: str, length: int) -> Found | None:
        """Find a text, and the `length` characters that follow it there."""
        for stream in self._streams:
            if (start := stream.text.find(text)) >= 0:
                end = start + len(text)
                return self._place(stream, max(start, end - 1)), stream.text[end : end + length]
        return None

    def at(self, split: Split, row: int, token: int) -> Place:
        """Return the place of a token of a row."""
        _, _, origins = self._origins.locate(split, row)
        held = [one for one in origins if one.row_tokens[0] <= token < one.row_tokens[1]] or origins[-1:]
        return Place(split, row, held[0].title, held[0].url)

    def _place(self, stream: _Stream, character: int) -> Place:
        """Return the place of a character of the text, by the token that it is a part of."""
        first, last = 0, len(stream.ids)  # the text of `first` tokens ends before the character, of `last` after it
        while last - first > 1:
            middle = (first + last) // 2
            if len(self._decode(stream.ids[:middle])) <= character:
                first = middle
            else:
                last = middle
        return self.at(stream.split, *divmod(first, self._shards.manifest.chunk_tokens))
