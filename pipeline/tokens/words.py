"""Count the words into which GPT-2's pre-tokenisation cuts texts: all that a byte-level BPE learns from.

Radford et al., "Language Models are Unsupervised Multitask Learners" (2019), section 2.2; its pattern is that of
`tokenizers`' ByteLevel, which cuts here whatever is not ASCII, so that both agree on what a letter is.

Counts are held in bounded memory: tables that grow large are handed on, and are added up part by part, where a word's
part depends on nothing but the word.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from tokenizers import pre_tokenizers

from pipeline.articles import Texts, utf8_of

COLUMNS = pa.schema([("word", pa.large_string()), ("count", pa.int64())])
HELD_BYTES = 16_000_000  # of different pieces that wait to be cut into words; Python needs some ten times as much
MERGE_BYTES = 64_000_000  # tables that wait to be merged, at least

# A word ends where a blank follows anything else, and what comes after does not depend on what was before. To cut
# there is quick, and the different pieces are few: each is cut into words once. A text in which blanks follow blanks
# is cut at the first of them. Python counts more characters as blanks than `tokenizers` do, Arrow's RE2 fewer.
_EDGE = re.compile(r"(?<=\S) ")
_BLANKS = "[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000] "
# Pieces that are one word, and what is a letter in all versions of Unicode: Latin and Cyrillic.
_ONE_WORD = "^ ?[A-Za-zÀ-ÖØ-öø-ɏЀ-ҁҊ-ԯḀ-ỿ]+$"
_ASCII_WORD = re.compile(
    r"'(?:s|t|re|ve|m|ll|d)| ?[A-Za-z]+| ?[0-9]+| ?[^ \t-\rA-Za-z0-9]+|[ \t-\r]+(?![^ \t-\r])|[ \t-\r]+"
)
_CUT = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
_FACTORS = np.random.default_rng(0).integers(2**63, size=64, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def count_words(texts: Iterable[Texts]) -> Iterator[pa.Table]:
    """Count the words of texts, as they are written: with the blank before them, and not in the alphabet of bytes.

    Args:
        texts: batches of them, pyarrow string arrays without nulls.

    Yields:
        Tables as in `COLUMNS`, to be merged: one, or more where the texts have more different pieces than are held.
    """
    held, waiting, size = COLUMNS.empty_table(), list[Texts](), 0
    for batch in texts:
        waiting.append(batch)
        size += batch.nbytes
        if size > HELD_BYTES:
            held = _sum([held, *_words(waiting)])
            if held.nbytes > HELD_BYTES:
                yield held
                held = COLUMNS.empty_table()
            waiting, size = [], 0
    yield _sum([held, *_words(waiting)])


def _words(texts: list[Texts]) -> Iterator[pa.Table]:
    """Cut texts before blanks, and the different pieces into words, each as often as it was counted."""
    counts: dict[str, int] = {}
    for pieces, times in _pieces(pa.chunked_array(texts, pa.string())):
        is_word = pc.match_substring_regex(pieces, _ONE_WORD)
        yield pa.table([pieces.filter(is_word).cast(pa.large_string()), times.filter(is_word)], schema=COLUMNS)
        others = pc.invert(is_word)
        for piece, count in zip(pieces.filter(others).to_pylist(), times.filter(others).to_pylist(), strict=True):
            for word in words_of(piece):
                counts[word] = counts.get(word, 0) + count
    yield pa.table([pa.array(counts.keys(), pa.large_string()), pa.array(counts.values(), pa.int64())], schema=COLUMNS)


def _pieces(texts: pa.ChunkedArray) -> Iterator[tuple[Texts, pa.Int64Array]]:
    """Cut texts before blanks; yield different pieces, and how often there is each."""
    double = pc.match_substring_regex(texts, _BLANKS)
    cut = [_EDGE.split(text) for text in texts.filter(double).to_pylist()]
    lists = [*pc.split_pattern(texts.filter(pc.invert(double)), " ").chunks, pa.array(cut, pa.list_(pa.string()))]
    follows = [np.ones(len(pieces.values), bool) for pieces in lists]
    for pieces, mask in zip(lists, follows, strict=True):
        mask[pieces.offsets.to_numpy()[:-1]] = False  # the first of a text follows no blank
    for blank in (False, True):
        some = [p.values.filter(pa.array(mask == blank)) for p, mask in zip(lists, follows, strict=True)]
        counted = pa.chunked_array(some, pa.string()).value_counts()
        yield pc.binary_join_element_wise(" " if blank else "", counted.field(0), ""), counted.field(1)


def words_of(text: str) -> list[str]:
    """Cut a text into words."""
    if text.isascii():
        return _ASCII_WORD.findall(text)
    return [text[start:end] for _, (start, end) in _CUT.pre_tokenize_str(text)]


def digests(words: pa.Table) -> NDArray[np.uint32]:
    """Return a digest of each word, the same on every machine: uint32 [words]."""
    column = words["word"].combine_chunks()
    if not len(column):
        return np.empty(0, np.uint32)
    utf8, offsets = utf8_of(column)
    data, starts = utf8.astype(np.uint64), offsets[:-1]
    place = np.arange(len(data)) - np.repeat(starts, np.diff(offsets))
    sums = np.add.reduceat((data + np.uint64(1)) * _FACTORS[place % len(_FACTORS)], starts)
    return (sums * _FACTORS[0] >> np.uint64(32)).astype(np.uint32)


def in_parts(words: pa.Table, parts: int) -> list[pa.RecordBatch]:
    """Share words out among so many parts, by their digests."""
    if parts > 1:
        part_of = digests(words) % np.uint32(parts)
        words = words.take(pa.array(np.argsort(part_of, kind="stable")))
        ends = np.cumsum(np.bincount(part_of, minlength=parts)).tolist()
    else:
        ends = [len(words)]
    [whole] = words.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], schema=COLUMNS)]
    return [whole.slice(start, end - start) for start, end in zip([0, *ends], ends, strict=False)]


def merge(tables: Iterable[pa.Table]) -> pa.Table:
    """Add up the counts of several tables; each word comes once, in sorted order.

    Memory is bounded by the number of different words, not by that of the tables, which are added some at a time.
    """
    total, waiting, size = COLUMNS.empty_table(), list[pa.Table](), 0
    for table in tables:
        waiting.append(table)
        size += table.nbytes
        if size > max(MERGE_BYTES, total.nbytes):
            total, waiting, size = _sum([total, *waiting]), [], 0
    return _sum([total, *waiting]).sort_by("word").combine_chunks()


def limit(tables: Iterable[pa.Table], most_bytes: int) -> tuple[int, int]:
    """Find how frequent words must be for those in `tables`, each of which comes once, to fit into so many bytes.

    Returns:
        A count and a digest: of words with that count, those with smaller digests fit; of others, the more frequent.
    """
    sizes = Counter[int]()  # of all words that have a count
    for table in tables:
        counts, which = np.unique(table["count"].to_numpy(), return_inverse=True)
        of_words = pc.binary_length(table["word"]).to_numpy() + 16  # with its count and its offset
        sums = np.zeros(len(counts), np.int64)
        np.add.at(sums, which, of_words)
        sizes.update(dict(zip(counts.tolist(), sums.tolist(), strict=True)))
    for count in sorted(sizes, reverse=True):
        if sizes[count] > most_bytes:
            return count, (most_bytes << 32) // sizes[count]
        most_bytes -= sizes[count]
    return 0, 0


def above(words: pa.Table, least: tuple[int, int]) -> pa.Table:
    """Keep the words that fit, by what `limit` has found."""
    counts = words["count"].to_numpy()
    return words.filter(pa.array((counts > least[0]) | ((counts == least[0]) & (digests(words) < least[1]))))


def _sum(tables: list[pa.Table]) -> pa.Table:
    """Add up the counts of tables that may have words in common; quicker than Arrow's group_by."""
    whole = pa.concat_tables(tables).combine_chunks()
    encoded = whole["word"].combine_chunks().dictionary_encode()
    counts = np.zeros(len(encoded.dictionary), np.int64)
    np.add.at(counts, encoded.indices.to_numpy(), whole["count"].to_numpy())
    return pa.table([encoded.dictionary, counts], schema=COLUMNS)
