"""Measure how long a text takes to be traced, against looking for its tokens row by row, and how that grows.

    python -m benchmarks.trace --rows 100000,1000000

Makes rows of ids drawn by Zipf's law, one in ten with half a row copied from another, indexes them in parts as the
stage does, and looks up how far each token of a text of 128 tokens goes on in the rows. The text is half of one row,
half of another. The peer does the same by numpy without an index: it compares the whole stream with each token of the
text, and keeps the places that still agree. Both give the same lengths, or the benchmark fails.

A search takes log2(tokens of a part) steps in each part, so that the last line can say what 10 million rows take: the
time of a step, as measured at the largest size, times the steps and the parts there. Files that are not in memory cost
two pages of the disk a step besides. CPU seconds are told, of queries the least of several: this machine may do other
work.
"""

import argparse
import json
import math
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from probes.trace.search import Part
from probes.trace.suffixes import sorted_places

CHUNK, VOCAB, TEXT = 128, 4096, 128
ASKED_ROWS = 10_000_000


def make_rows(rows: int, seed: int) -> NDArray[np.uint16]:
    """Rows of ids by Zipf's law, some with half a row that stands in another, too."""
    rng = np.random.default_rng(seed)
    shares = 1 / np.arange(1, VOCAB + 1)
    edges = np.cumsum(shares / shares.sum())
    made = np.empty((rows, CHUNK), dtype=np.uint16)
    for start in range(0, rows, 100_000):
        block = made[start : start + 100_000]
        block[:] = np.searchsorted(edges, rng.random(block.shape, dtype=np.float32)).clip(max=VOCAB - 1)
    copies = rng.integers(rows, size=(2, rows // 10))
    made[copies[0], : CHUNK // 2] = made[copies[1], : CHUNK // 2]
    return made


def make_parts(rows: NDArray[np.uint16], part_tokens: int, folder: Path) -> list[Part]:
    """Sort the rows in parts, as the stage does, with the arrays on disk and mapped."""
    parts = []
    height = part_tokens // CHUNK
    for first in range(0, len(rows), height):
        block = rows[first : first + height]
        path = folder / f"{first}.places"
        with path.open("wb") as file:
            for some in sorted_places(block, VOCAB):
                some.tofile(file)
        places = np.memmap(path, dtype="<u4", mode="r").data
        parts.append(Part(str(path), first, block.astype(">u2").tobytes(), places, 2, 2 * CHUNK))
    return parts


def longest(parts: Sequence[Part], text: NDArray[np.uint16]) -> list[int]:
    """How many tokens from each of a text stand together in a row, by the index."""
    data = text.astype(">u2").tobytes()
    return [max(part.longest(data[start:]) for part in parts) for start in range(0, len(data), 2)]


def naive_longest(rows: NDArray[np.uint16], text: NDArray[np.uint16]) -> list[int]:
    """Return the same by looking at the whole stream for each token of the text."""
    stream, found = rows.reshape(-1), []
    for start in range(len(text)):
        places = np.flatnonzero(stream == text[start])
        length = 0
        while len(places):
            length += 1
            if start + length == len(text):
                break
            places = places[places % CHUNK + length < CHUNK]
            places = places[stream[places + length] == text[start + length]]
        found.append(length)
    return found


def measure(rows: int, part_tokens: int, repeat: int) -> dict[str, float]:
    """Build, ask and compare at one size; all times in CPU seconds."""
    made = make_rows(rows, seed=rows)
    text = np.concatenate([made[rows // 3, 20 : 20 + TEXT // 2], made[rows // 2, : TEXT // 2]])
    with TemporaryDirectory() as folder:
        began = time.process_time()
        parts = make_parts(made, part_tokens, Path(folder))
        built = time.process_time() - began
        queries = []
        for _ in range(repeat):
            began = time.process_time()
            ours = longest(parts, text)
            queries.append(time.process_time() - began)
    began = time.process_time()
    theirs = naive_longest(made, text)
    naive = time.process_time() - began
    if ours != theirs:
        raise SystemExit(f"at {rows} rows the index and the peer differ")
    steps = sum(math.log2(len(part.places)) for part in parts)
    return {
        "rows": rows,
        "parts": len(parts),
        "build_seconds": built,
        "tokens_per_second": made.size / built,
        "query_ms": 1000 * min(queries),
        "step_us": 1e6 * min(queries) / (TEXT * steps),
        "peer_ms": 1000 * naive,
        "ratio": naive / min(queries),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="100000,1000000", help="sizes, in rows of 128 tokens")
    parser.add_argument("--part-tokens", type=int, default=1 << 28, help="as the stage's part_tokens")
    parser.add_argument("--repeat", type=int, default=5, help="queries, of which the fastest counts")
    args = parser.parse_args(argv)
    for rows in map(int, args.rows.split(",")):
        found = measure(rows, args.part_tokens, args.repeat)
        print("  ".join(f"{name} {value:,.4g}" for name, value in found.items()), flush=True)
    parts = math.ceil(ASKED_ROWS * CHUNK / args.part_tokens)
    steps = parts * math.log2(args.part_tokens)
    computed = TEXT * steps * found["step_us"] / 1000
    print(f"10 million rows: {parts} parts, {steps:.0f} steps a token, so {computed:.0f} ms for a text (computed)")
    print(json.dumps(found | {"computed_ms": computed}))


if __name__ == "__main__":
    main()
