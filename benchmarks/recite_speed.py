"""Measure the loop of recitation and generation against a bare batched loop with cache, by CPU time, side by side."""

import argparse
import time
from collections.abc import Callable

import torch

from probes.generation import continue_rows
from probes.model import LoadedModel, load


def bare(loaded: LoadedModel, rows: torch.Tensor, tokens: int, batch_rows: int) -> torch.Tensor:
    """Return what a reader of the library's manual would write: the likeliest id, fed back with the cache."""
    parts = []
    with torch.inference_mode():
        for inputs in rows.split(batch_rows):
            cache, added = None, []
            for _ in range(tokens):
                out = loaded.model(input_ids=inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
                cache, inputs = out.past_key_values, out.logits[:, -1].argmax(-1, keepdim=True)
                added.append(inputs)
            parts.append(torch.cat(added, dim=1))
    return torch.cat(parts)


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds that a call takes."""
    before = time.process_time()
    work()
    return time.process_time() - before


def main() -> None:
    """Print the best of several interleaved rounds, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="models/causal", help="a causal model")
    parser.add_argument("--rounds", type=int, default=9, help="of each loop; the best counts")
    args = parser.parse_args()
    loaded = load(args.model)
    rows = torch.randint(loaded.vocab_size, (256, 16), generator=torch.Generator().manual_seed(0))
    rows = loaded.tensor(rows)
    loops = {"bare": lambda: bare(loaded, rows, 16, 64), "ours": lambda: continue_rows(loaded, rows, 16, 64)}
    assert torch.equal(loops["bare"](), loops["ours"]())
    best = dict.fromkeys(loops, float("inf"))
    for _ in range(args.rounds):
        best = {name: min(best[name], cpu_seconds(loop)) for name, loop in loops.items()}
    share = best["bare"] / best["ours"]
    print(f"bare loop {best['bare']:.3f} s of CPU, ours {best['ours']:.3f} s: {share:.2f} of its speed")


if __name__ == "__main__":
    main()
