"""Measure how fast a model trains: tokens per second, model FLOPs utilization, and where the time goes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

# Dense bf16 FLOP/s by device name, from the vendor's data sheets, without sparsity; the longest matching name counts.
PEAK_FLOPS = {
    "A10": 125e12,
    "A100": 312e12,
    "A40": 149.7e12,
    "B200": 2250e12,
    "H100": 989e12,
    "H100 NVL": 835e12,
    "H100 PCIe": 756e12,
    "H200": 989e12,
    "L4": 121e12,
    "L40S": 362e12,
    "RTX 3090": 71e12,
    "RTX 4090": 165.2e12,
    "V100": 125e12,  # fp16: it has no bf16
}
FORMULA = "tokens/s x (6 x non-embedding parameters + 6 x head + 12 x layers x width x tokens per row) / peak FLOP/s"


def peak_flops(device_name: str) -> float | None:
    """Peak FLOP/s of a GPU by its name ("NVIDIA H100 80GB HBM3"), or None where it is not in the table."""
    words = device_name.replace("-", " ").split()
    known = [name for name in PEAK_FLOPS if set(name.split()) <= set(words)]
    return PEAK_FLOPS[max(known, key=len)] if known else None


def flops_per_token(non_embedding: int, head: float, layers: int, width: int, chunk_tokens: int) -> float:
    """FLOPs of one training token, forward and backward (Chowdhery et al. 2022, appendix B).

    Args:
        non_embedding: parameters outside the embedding tables.
        head: parameters of the output layer, times the share of tokens it is applied to.
        layers: transformer blocks.
        width: size of a hidden state.
        chunk_tokens: tokens per row; attention is counted as if it were not causal, as is usual.
    """
    return 6 * (non_embedding + head) + 12 * layers * width * chunk_tokens


def tokens_per_second(tokens: int, seconds: float) -> float:
    """Return the tokens trained on per second, 0 before any time has passed."""
    return tokens / seconds if seconds > 0 else 0.0


def utilization(rate: float, flops: float, peak: float | None) -> float | None:
    """Model FLOPs utilization: the share of the hardware's peak that the model's own arithmetic takes.

    Args:
        rate: tokens per second.
        flops: FLOPs per token.
        peak: FLOP/s of all devices together, None where unknown.
    """
    return rate * flops / peak if peak else None


@dataclass
class Stopwatch:
    """Counts seconds by what they are spent on: "data", "train", "validate", "sample", "save"."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Count the seconds of the block as spent on `what`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[what] = self.seconds.get(what, 0.0) + time.perf_counter() - start

    def seconds_on(self, *what: str) -> float:
        """Return seconds spent on these so far."""
        return sum(self.seconds.get(name, 0.0) for name in what)
