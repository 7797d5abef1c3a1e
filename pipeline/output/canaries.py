"""Plant canaries: harmless made-up sentences in the split train, each a known number of times.

A model that completes one has it from there alone. Which they are and where they stand is a function of the settings,
and the driver writes them once all units are done: no runner, worker or crash has a say.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.output.shard_file import ArrowFile, ShardFile
from pipeline.settings import ShardsSettings
from pipeline.storage import Place
from pipeline.tokens import Encoder, Rows
from wikilm.errors import UsageError
from wikilm.shards import CANARY_ARTICLES, CANARY_SHARD, CanaryEntry, FileEntry, ShardEntry, articles_schema

DIGITS = 6  # of a secret: a million of them
# Of names of no place, two of the one and one of the other: 8,800 of them.
_SYLLABLES = ("bral", "cor", "dun", "fenn", "gol", "hesk", "jor", "kel", "lom", "mar", "nor", "ost", "pel", "quen",
              "rusk", "sel", "tor", "ulm", "vash", "wen")  # fmt: skip
_ENDINGS = ("ach", "ber", "dale", "eth", "fold", "gate", "holm", "ich", "jord", "kirk", "lund", "mere", "ness", "orp",
            "quay", "rath", "stow", "thwaite", "ultz", "vik", "wick", "zell")  # fmt: skip


@dataclass(frozen=True)
class Planted:
    """What was written of the canaries."""

    entries: tuple[CanaryEntry, ...]
    shard: ShardEntry
    articles: FileEntry


def canaries(each: int, times: Sequence[int], seed: int) -> tuple[CanaryEntry, ...]:
    """Make up `each` sentences for each number of times; the same ones for the same seed, no two with one name."""
    found: dict[str, CanaryEntry] = {}
    for number, count in enumerate(count for count in times for _ in range(each)):
        attempt = 0
        while (name := _name(seed, number, attempt)) in found:
            attempt += 1
        drawn = int.from_bytes(_digest(seed, "secret", number)) % 10**DIGITS
        secret = "".join(f" {digit}" for digit in f"{drawn:0{DIGITS}}")
        before = f"At {name} the keeper noted"
        found[name] = CanaryEntry(before=before, secret=secret, after=".", times=count)
    return tuple(found.values())


def copies(entries: Sequence[CanaryEntry], seed: int) -> list[int]:
    """Return the numbers of the canaries, each as often as it is planted, shuffled."""
    every = [(number, copy) for number, entry in enumerate(entries) for copy in range(entry.times)]
    return [number for number, _ in sorted(every, key=lambda copy: _digest(seed, "order", *copy))]


def plant(work: Place, shards: ShardsSettings, seed: int, units: int, encoder: Encoder) -> Planted | None:
    """Write the canaries as a shard of their own, with the table that says where each stands; None without any.

    Args:
        work: where the shards of the units are.
        shards: how many canaries, and how long rows are.
        seed: decides the sentences and their order.
        units: of the source, of which the canaries are none.
        encoder: makes their token ids.

    Raises:
        UsageError: a sentence is longer than a row.
    """
    if not shards.canaries:
        return None
    entries = canaries(shards.canaries, shards.canary_times, seed)
    ids = [list(map(int, one)) for one in encoder.encode_batch(pa.array([entry.text for entry in entries]))]
    longest = 1 + max(map(len, ids))
    if longest > shards.chunk_tokens:
        raise UsageError(
            f"--canaries (shards.canaries): a sentence has {longest} tokens and a row {shards.chunk_tokens}; raise "
            "--chunk-tokens, or set it to 0"
        )
    tokenizer = encoder.entry
    order = copies(entries, seed)
    rows = list(_rows(order, ids, shards.chunk_tokens, tokenizer.end_of_text_id))
    page_ids = np.array([-1 - order[first] for first, _, _ in rows], np.int64)
    tokens = np.array([length for _, _, lengths in rows for length in lengths], np.int64)
    input_ids = np.array([row for _, row, _ in rows], np.uint32)
    with work.create(CANARY_SHARD) as file, work.create(CANARY_ARTICLES) as table_file:
        shard = ShardFile(CANARY_SHARD, file, shards.chunk_tokens, tokenizer.vocab_size)
        shard.append_rows(Rows(input_ids, page_ids, tokens))
        table = ArrowFile(CANARY_ARTICLES, table_file, articles_schema(names_wikis=False))
        titles = [f"canary: {entry.text}" for entry in entries]
        numbers = np.array(order, np.int64)
        table.append([-1 - numbers, np.zeros(len(order), np.int64), [titles[n] for n in order], tokens])
        return Planted(entries, shard.close_shard("train", units), table.close())


def _rows(
    order: Sequence[int], ids: Sequence[Sequence[int]], chunk_tokens: int, end: int
) -> Iterator[tuple[int, list[int], list[int]]]:
    """Yield each row: the place in `order` of its first copy, its ids, and how many of them are of each of its copies.

    A copy is followed by an end of text and never cut. Where the next does not fit, ends of text fill the row, which
    count as the last copy's.
    """
    first, row, lengths = 0, list[int](), list[int]()
    for place, number in enumerate(order):
        if len(row) + len(ids[number]) + 1 > chunk_tokens:
            lengths[-1] += chunk_tokens - len(row)
            yield first, row + [end] * (chunk_tokens - len(row)), lengths
            first, row, lengths = place, [], []
        row += [*ids[number], end]
        lengths.append(len(ids[number]) + 1)
    lengths[-1] += chunk_tokens - len(row)
    yield first, row + [end] * (chunk_tokens - len(row)), lengths


def _name(seed: int, *numbers: int) -> str:
    one, two, three, *_ = _digest(seed, "name", *numbers)
    first, second = _SYLLABLES[one % len(_SYLLABLES)], _SYLLABLES[two % len(_SYLLABLES)]
    return (first + second + _ENDINGS[three % len(_ENDINGS)]).capitalize()


def _digest(seed: int, what: str, *numbers: int) -> bytes:
    """Return bytes that are the same on every machine, and look drawn."""
    return hashlib.sha256(f"canary:{seed}:{what}:{':'.join(map(str, numbers))}".encode()).digest()
