"""Measure how fast a model trains: tokens per second, model FLOPs utilization, and where the time goes."""

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from transformers import PreTrainedModel

from train.model import parameter_counts

if TYPE_CHECKING:
    from train.plan import Plan

WARM_UP_STEPS = 3  # of each session, in which a model is compiled and memory asked for; no figure of speed counts them

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


def training_flops(plan: "Plan", model: PreTrainedModel) -> float:
    """FLOPs per token of a planned training, the head counted where it is applied."""
    layers, _, width = plan.settings.shape
    applied = plan.masked_fraction if plan.masked_fraction and plan.left_out is None else 1.0
    head = plan.manifest.tokenizer.vocab_size * width * applied
    outside = parameter_counts(model)["non_embedding_parameters"]
    return flops_per_token(outside, head, layers, width, plan.manifest.chunk_tokens)


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


@dataclass
class Pace:
    """How fast a session trains, its first steps left out."""

    clock: Stopwatch
    tokens_per_step: int
    flops: float  # per token
    peak: float | None  # FLOP/s of all devices together, None where unknown
    _start: tuple[int, float, float] | None = None  # steps, seconds at work and seconds of it spent waiting for data
    _last: tuple[int, float, float] | None = None

    def start(self, steps: int) -> None:
        """Begin to count after so many steps, all of whose work the device has done."""
        self._start = self._last = self._now(steps)

    def since_last(self, steps: int) -> dict[str, float]:
        """Figures since this was last asked; none in the warm-up."""
        last, self._last = self._last, self._now(steps)
        return self._figures(last, self._last) if last and steps > last[0] else {}

    def in_all(self, steps: int) -> dict[str, float]:
        """Figures of the whole session, and how many steps are left out: none where it had no more than the warm-up."""
        start = self._start if self._start and steps > self._start[0] else (0, 0.0, 0.0)
        return self._figures(start, self._now(steps)) | {"warm_up_steps": start[0]}

    def _now(self, steps: int) -> tuple[int, float, float]:
        return steps, self.clock.seconds_on("data", "train"), self.clock.seconds_on("data")

    def _figures(self, start: tuple[int, float, float], end: tuple[int, float, float]) -> dict[str, float]:
        steps, seconds, waited = (after - before for after, before in zip(end, start, strict=True))
        rate = tokens_per_second(int(steps) * self.tokens_per_step, seconds)
        figures = {"tokens_per_second": round(rate, 1), "data_wait_fraction": round(waited / max(1e-9, seconds), 4)}
        used = utilization(rate, self.flops, self.peak)
        return figures if used is None else figures | {"model_flops_utilization": round(used, 4)}


def peak_memory(device: torch.device) -> int:
    """Return the most bytes that this process has held: as tensors on a GPU, as resident memory elsewhere."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2) counts kibibytes on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def device_peak(device: torch.device) -> float | None:
    """Peak FLOP/s of a device, None where it is no GPU or an unknown one."""
    if device.type != "cuda":
        return None
    return peak_flops(torch.cuda.get_device_name(device))
