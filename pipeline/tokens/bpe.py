"""Learn the merges of a byte-level BPE from counted words, as `tokenizers` learns them from texts, to the same bytes.

Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units" (2016), section 3.2. `BpeTrainer` of
`tokenizers` (models/bpe/trainer.rs, 0.23) takes texts alone, and so counts every word again that others have counted.
It counts pairs in 32 bits, which the pairs of very large sources do not fit; here they are counted in 64.
"""

import heapq
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tokenizers import models
from tqdm import tqdm

from pipeline.articles import utf8_of

Words = NDArray[np.int32]  # which words, by their number
_Group = tuple[int, int, Words]  # a pair, its count, and the words that it is in
ALPHABET = 256
BAR_AFTER_SECONDS = 3.0
ID_BITS = 32  # a pair of ids is one number, the left id above the right one: in the order of `tokenizers` for ties


def alphabet() -> list[str]:
    """Return the character that stands for each byte: itself if it can be seen, or else one from U+0100 on.

    As `bytes_to_unicode` of GPT-2's encoder.py does.
    """
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    unseen = [byte for byte in range(ALPHABET) if byte not in seen]
    characters = dict(zip([*seen, *unseen], [*seen, *range(ALPHABET, ALPHABET + len(unseen))], strict=True))
    return [chr(characters[byte]) for byte in range(ALPHABET)]


def learn(words: pa.Table, vocab_size: int, min_frequency: int, special_tokens: Sequence[str]) -> models.BPE:
    """Learn a byte-level BPE: merge the most frequent pair, again and again; of equals, the one of the lowest ids.

    Args:
        words: with columns "word" and "count", each word once (see `words.merge`).
        vocab_size: entries of the vocabulary, or fewer where there are no more pairs.
        min_frequency: a pair that is rarer is not merged.
        special_tokens: the first entries; the 256 bytes follow.
    """
    characters = sorted(alphabet())
    tokens = [*special_tokens, *characters]
    ids = {token: number for number, token in enumerate(tokens)}
    of_bytes = np.array([ids[character] for character in alphabet()], np.int32)
    pairs = _Pairs(words, of_bytes)
    merges: dict[tuple[str, str], None] = {}
    bar = tqdm(total=vocab_size - len(tokens), desc="merges", disable=None, delay=BAR_AFTER_SECONDS)
    while len(tokens) < vocab_size and (top := pairs.pop(min_frequency)) is not None:
        pair, where = top
        left, right = tokens[pair >> ID_BITS], tokens[pair & ((1 << ID_BITS) - 1)]
        if left + right not in ids:  # two pairs may make the same token
            ids[left + right] = len(tokens)
            tokens.append(left + right)
        merges.pop((left, right), None)  # one that comes again has its later rank
        merges[left, right] = None
        pairs.merge(pair, where, ids[left + right])
        bar.update()
    bar.close()
    return models.BPE(vocab=ids, merges=list(merges))


class _Pairs:
    """The words as rows of ids, and a queue of the pairs in them, each with the words in which it came up."""

    def __init__(self, words: pa.Table, of_bytes: NDArray[np.int32]) -> None:
        column = words["word"].combine_chunks()
        text, offsets = utf8_of(column)
        self._symbols, self._starts = of_bytes[text], offsets[:-1]
        self._lengths = np.diff(offsets).astype(np.int32)
        self._word_counts = words["count"].combine_chunks().to_numpy()
        self._counts: dict[int, int] = {}
        self._queue: list[tuple[int, int, int, Words]] = []
        self._serial = itertools.count()  # arrays cannot be compared
        of_words = np.repeat(np.arange(len(column), dtype=np.int32), self._lengths)
        within = of_words[:-1] == of_words[1:]
        found = _pair(self._symbols[:-1][within], self._symbols[1:][within])
        where = of_words[:-1][within]
        self._change(_grouped(found, self._word_counts[where], where), [])

    def pop(self, min_frequency: int) -> tuple[int, Words] | None:
        """Take the most frequent pair out of the queue, and the words it is to be merged in; None when all are rare."""
        while self._queue:
            count, pair, _, where = heapq.heappop(self._queue)
            now = self._counts[pair]
            if now != -count:  # other merges have changed it since
                heapq.heappush(self._queue, (-now, pair, next(self._serial), where))
            elif now < max(min_frequency, 1):
                return None
            else:
                return pair, where
        return None

    def merge(self, pair: int, where: Words, new: int) -> None:
        """Put the id `new` for a pair in the words that are named, and count the pairs that go and come with it."""
        left, right = pair >> ID_BITS, pair & ((1 << ID_BITS) - 1)
        lengths, starts = self._lengths[where], self._starts[where]
        at = _places(starts, lengths)
        old, of_words = self._symbols[at], np.repeat(where, lengths)
        goes_on = np.append(of_words[1:] == of_words[:-1], False)  # the next symbol is of the same word
        first = np.flatnonzero((old == left) & goes_on & np.append(old[1:] == right, False))
        if left == right:
            first = first[_every_second(first)]
        second = np.zeros(len(old), bool)
        second[first + 1] = True
        follows, goes = first[(first > 0) & goes_on[first - 1]], first[goes_on[first + 1]]
        before, after = np.where(second[follows - 1], new, old[follows - 1]), old[goes + 2]
        words = of_words[np.concatenate([follows, goes])]
        come = np.concatenate([_pair(before, new), _pair(new, after)])
        gone = np.concatenate([_pair(before, left), _pair(right, after)])
        old[first] = new
        self._lengths[where] -= np.add.reduceat(second, np.cumsum(lengths) - lengths, dtype=np.int32)
        self._symbols[_places(starts, self._lengths[where])] = old[~second]
        self._change(_grouped(come, self._word_counts[words], words), _grouped(gone, self._word_counts[words], words))

    def _change(self, come: Iterable[_Group], gone: Iterable[_Group]) -> None:
        """Count pairs that come and go (some do both), and put those that come into the queue."""
        come = list(come)
        for pair, count, _ in come:
            self._counts[pair] = self._counts.get(pair, 0) + count
        for pair, count, _ in gone:
            self._counts[pair] -= count
        for pair, _, words in come:
            if self._counts[pair] > 0:
                heapq.heappush(self._queue, (-self._counts[pair], pair, next(self._serial), words))


def _pair(left: Any, right: Any) -> NDArray[np.int64]:
    return np.left_shift(left, ID_BITS, dtype=np.int64) | right


def _places(starts: NDArray[np.int64], lengths: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the places of symbols, one word after the other."""
    ends = np.cumsum(lengths, dtype=np.int64)
    return np.arange(ends[-1]) + np.repeat(starts - ends + lengths, lengths)


def _every_second(places: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Choose every second one of places that follow each other: of `aaa`, the first `aa` alone is merged."""
    starts = np.flatnonzero(np.append(True, np.diff(places) != 1))
    return (np.arange(len(places)) - np.repeat(starts, np.diff(np.append(starts, len(places))))) % 2 == 0


def _grouped(pairs: NDArray[np.int64], counts: NDArray[np.int64], where: Words) -> Iterator[_Group]:
    """Yield each pair with its summed count and the words that it is in, each word once."""
    if not len(pairs):
        return
    order = np.lexsort((where, pairs))
    pairs, where = pairs[order], where[order]
    other_pair = np.append(True, pairs[1:] != pairs[:-1])
    sums = np.add.reduceat(counts[order], np.flatnonzero(other_pair)).tolist()
    once = other_pair | np.append(True, where[1:] != where[:-1])
    where, starts = where[once], np.flatnonzero(other_pair[once])
    bounds = itertools.pairwise([*starts.tolist(), len(where)])
    for pair, count, (start, end) in zip(pairs[other_pair].tolist(), sums, bounds, strict=True):
        yield pair, count, where[start:end]
