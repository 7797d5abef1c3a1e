"""Count the words into which GPT-2's pre-tokenisation cuts texts: all that a byte-level BPE learns from.

Radford et al., "Language Models are Unsupervised Multitask Learners" (2019), section 2.2; its pattern is that of
`tokenizers`' ByteLevel, which cuts here whatever is not ASCII, so that both agree on what a letter is.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa
from tokenizers import pre_tokenizers

COLUMNS = pa.schema([("word", pa.large_string()), ("count", pa.int64())])
MAX_PIECES = 1_000_000  # different ones that are held, in some 200 MB
LONG_PIECE = 200  # characters
MERGE_BYTES = 64_000_000  # tables that wait to be merged, at least

# A word ends where a blank follows anything else, and what comes after does not depend on what was before. To cut
# there is quick, and the pieces are few: each is cut into words once. Python counts more characters as blanks.
_EDGE = re.compile(r"(?<=\S) ")
_BLANKS = re.compile(r"\s ")
_ASCII_WORD = re.compile(
    r"'(?:s|t|re|ve|m|ll|d)| ?[A-Za-z]+| ?[0-9]+| ?[^ \t-\rA-Za-z0-9]+|[ \t-\r]+(?![^ \t-\r])|[ \t-\r]+"
)
_CUT = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)


def count_words(texts: Iterable[str]) -> Iterator[pa.Table]:
    """Count the words of texts, as they are written: with the blank before them, and not in the alphabet of bytes.

    Yields:
        Tables as in `COLUMNS`, to be merged: one, or more where the texts have more different pieces than are held.
    """
    first, after_blank, words = Counter[str](), Counter[str](), Counter[str]()
    for text in texts:
        pieces = _EDGE.split(text) if _BLANKS.search(text) else text.split(" ")
        if max(map(len, pieces)) > LONG_PIECE:  # as in scripts without blanks, where no piece comes twice
            words.update(words_of(text))
        else:
            first[pieces[0]] += 1
            after_blank[pieces[0]] -= 1  # counted with the others in the next line, which is quicker than a slice
            after_blank.update(pieces)
        if len(first) + len(after_blank) + len(words) > MAX_PIECES:
            yield _table(first, after_blank, words)
            first, after_blank, words = Counter[str](), Counter[str](), Counter[str]()
    yield _table(first, after_blank, words)


def _table(first: Mapping[str, int], after_blank: Mapping[str, int], words: Counter[str]) -> pa.Table:
    """Cut the pieces into words, each as often as it was counted, and add them to those that are words already."""
    for before, pieces in (("", first), (" ", after_blank)):
        for piece, count in pieces.items():
            if count:
                for word in words_of(before + piece):
                    words[word] += count
    return pa.table([pa.array(words.keys(), pa.large_string()), pa.array(words.values(), pa.int64())], schema=COLUMNS)


def words_of(text: str) -> list[str]:
    """Cut a text into words."""
    if text.isascii():
        return _ASCII_WORD.findall(text)
    return [text[start:end] for _, (start, end) in _CUT.pre_tokenize_str(text)]


def merge(tables: Iterable[pa.Table]) -> pa.Table:
    """Add up the counts of several tables; each word comes once, in sorted order.

    Memory is bounded by the number of different words, not by that of the tables, which are added some at a time.
    """
    total, waiting = COLUMNS.empty_table(), list[pa.Table]()
    for table in tables:
        waiting.append(table)
        if sum(one.nbytes for one in waiting) > max(MERGE_BYTES, total.nbytes):
            total, waiting = _sum([total, *waiting]), []
    return _sum([total, *waiting]).sort_by("word").combine_chunks()


def _sum(tables: list[pa.Table]) -> pa.Table:
    grouped = pa.concat_tables(tables).group_by("word").aggregate([("count", "sum")])
    return grouped.rename_columns({"count_sum": "count"}).select(COLUMNS.names)
