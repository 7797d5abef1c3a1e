"""Measure what a training step costs on a GPU, beside `transformers.Trainer` and a plain compiled loop.

    python -m benchmarks.train_gpu                # on one GPU, less than eight minutes
    python -m benchmarks.train_gpu --tiny         # on a CPU, to see that it runs; its figures say nothing

Needs torch, transformers and accelerate, no data and no network: rows are random tokens. GPT-2 of 124M parameters
trains on rows of 128 tokens, in bf16, without dropout, gradients clipped to a norm of 1. All take turns in one process,
a few steps each; what counts is the least time of all turns, with the device waited for at both ends, compilation left
out. Model FLOPs utilization is counted alike for all (train/progress/throughput.py). Then come checks of what only a
GPU can show, and sweeps of ours alone. What does not fit into `--seconds` is named as left out. Figures are printed at
once, and kept as JSON: on the last line, and at any time in the folder that $OUT names. TORCHINDUCTOR_MAX_AUTOTUNE=1
has the compiler try more kernels, which takes minutes.
"""

import argparse
import gc
import json
import os
import shlex
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import benchmarks.bare_machine  # noqa: F401 - before any wing

# isort: split
import train.model.compiling
import train.model.loss
from benchmarks.gpu_checks import checks
from benchmarks.gpu_ways import Ours, Plain, Recipe, Setting
from benchmarks.plain_gpt import Shape
from train.model.loss import targets_at_a_time
from train.progress.throughput import device_peak, training_flops, utilization

GPT2 = Shape("GPT-2 124M", 12, 12, 768, 256, 20, "adamw")
TINY = Shape("tiny", 2, 2, 32, 4, 2, "adamw")
Way = Callable[[int], float]  # steps to seconds for each


class Figures:
    """What was measured, as it comes."""

    def __init__(self, setting: Setting, seconds: float) -> None:
        self.setting, self._start, self._seconds = setting, time.perf_counter(), seconds
        self.flops = 0.0
        self.device = torch.cuda.get_device_name() if setting.device.type == "cuda" else "CPU"
        self.rows: list[dict[str, Any]] = []
        self.checks: dict[str, str] = {}

    @property
    def left(self) -> float:
        """Seconds until the end."""
        return self._seconds - (time.perf_counter() - self._start)

    def add(self, group: str, name: str, seconds: list[float], rows: int, flops: float, **more: Any) -> None:
        """Print and keep a line: the least seconds a step, tokens a second, MFU and the most memory."""
        rate = rows * self.setting.tokens / min(seconds)
        used = utilization(rate, flops, device_peak(self.setting.device))
        memory = torch.cuda.max_memory_allocated() / 1e9 if self.setting.device.type == "cuda" else 0.0
        share = "" if used is None else f"{used:8.1%}"
        print(f"{name:44}{1000 * min(seconds):10.2f}{rate:14,.0f}{share:>9}{memory:9.1f}", flush=True)
        self._keep({
            "group": group, "name": name, "seconds_per_step": seconds, "tokens_per_second": round(rate),
            "model_flops_utilization": used, "memory_gb": round(memory, 2), "rows": rows, **more,
        })  # fmt: skip

    def missing(self, group: str, name: str, why: str) -> None:
        """Print and keep why there is no such line."""
        print(f"{name:44}  {why.splitlines()[0][:150]}", flush=True)
        self._keep({"group": group, "name": name, "missing": why})

    def check(self, name: str, verdict: str) -> None:
        """Print and keep what a check has found."""
        print(f"{name}: {verdict}  ({self.left:.0f} s left)", flush=True)
        self.checks[name] = verdict
        self._keep(None)

    def json(self) -> str:
        """All so far, in one line."""
        return json.dumps({"device": self.device, "torch": torch.__version__, "rows": self.rows, "checks": self.checks})

    def _keep(self, row: dict[str, Any] | None) -> None:
        """Add a row; what there is stays, whatever ends this process."""
        if row is not None:
            self.rows.append(row)
        if folder := os.environ.get("OUT"):
            Path(folder, "train_gpu.json").write_text(self.json() + "\n", encoding="utf-8")


def heading(text: str) -> None:
    """Print the head of a table."""
    print(f"\n{text}\n{'':44}{'ms/step':>10}{'tokens/s':>14}{'MFU':>9}{'GB':>9}", flush=True)


def compare(figures: Figures, turns: int) -> None:
    """Measure ours and the peers by turns."""
    setting = figures.setting
    makers: dict[str, Callable[[], Way]] = {
        "wikilm": lambda: Ours(setting, compile=True),
        "plain compiled loop": lambda: Plain(setting, setting.vocabulary),
        "plain compiled loop, vocabulary padded": lambda: Plain(setting, -(-setting.vocabulary // 64) * 64),
        "transformers.Trainer, torch_compile": lambda: Recipe(setting, compiled=True),
        "transformers.Trainer": lambda: Recipe(setting, compiled=False),
        "wikilm, Muon": lambda: Ours(setting, compile=True, optimizer="muon"),
        "wikilm, compile: false": lambda: Ours(setting, compile=False),
    }
    heading(f"by turns, {setting.shape.batch_size} rows of {setting.tokens} tokens a step, AdamW unless said otherwise")
    ways, seconds, first = {}, {name: [] for name in makers}, {}  # type: ignore[var-annotated]
    for name, make in makers.items():
        start = time.perf_counter()
        with trouble_told(figures, "comparison", name):
            ways[name] = make()
            ways[name](2)
            first[name] = round(time.perf_counter() - start, 1)
        if name == "wikilm" and name in ways:
            training = ways[name].training
            figures.flops = training_flops(training.plan, training.learner.model)
    print(f"seconds to make each and take its first steps: {first}", flush=True)
    for _ in range(turns):
        for name, way in list(ways.items()):
            with trouble_told(figures, "comparison", name):
                seconds[name].append(way(setting.shape.steps))
    for name, some in seconds.items():
        if some:
            figures.add(
                "comparison", name, some, setting.shape.batch_size, figures.flops, first_seconds=first.get(name)
            )
    if seconds["wikilm"]:
        least = min(seconds["wikilm"])
        ratios = {name: round(min(some) / least, 2) for name, some in seconds.items() if some}
        print(f"time of each by that of wikilm: {ratios}", flush=True)
    for way in ways.values():
        if isinstance(way, Ours):
            way.close()


def sweeps(setting: Setting) -> Iterator[tuple[str, dict[str, Any], int, int | None]]:
    """Yield cases in the order of what they tell: name, settings, rows, and targets whose logits are held at once."""
    rows = setting.shape.batch_size
    targets = rows * (setting.tokens - 1)
    yield f"{4 * rows} rows", {"compile": True}, 4 * rows, None
    yield f"{rows // 4} rows", {"compile": True}, rows // 4, None
    yield f"{rows} rows, loss in 4 pieces", {"compile": True}, rows, -(-targets // 4)
    yield f"{rows} rows, masked, 45 %", {"compile": True, "masked_fraction": 0.45}, rows, None
    yield f"{2 * rows} rows", {"compile": True}, 2 * rows, None
    yield f"{rows} rows, loss in 16 pieces", {"compile": True}, rows, -(-targets // 16)
    yield f"{4 * rows} rows, Muon", {"compile": True, "optimizer": "muon"}, 4 * rows, None
    yield f"{4 * rows} rows, compile: false", {"compile": False}, 4 * rows, None
    yield f"{rows // 4} rows, compile: false", {"compile": False}, rows // 4, None


def sweep(figures: Figures) -> None:
    """Measure ours alone, one case after the other."""
    heading("wikilm alone, AdamW unless said otherwise")
    longest = 0.0
    for name, changes, rows, size in sweeps(figures.setting):
        if figures.left < 1.3 * longest:
            figures.missing("sweep", name, f"left out: {figures.left:.0f} seconds are left")
            continue
        start = time.perf_counter()
        forget(figures.setting.device)
        with trouble_told(figures, "sweep", name), targets_held(size):
            setting = replace(figures.setting, shape=replace(figures.setting.shape, batch_size=rows))
            ours = Ours(setting, **changes)
            ours(3)
            seconds = [ours(max(2, setting.shape.steps // 2)) for _ in range(3)]
            ours.close()
            flops = training_flops(ours.training.plan, ours.training.learner.model)
            figures.add("sweep", name, seconds, rows, flops, targets_at_once=size)
        longest = max(longest, time.perf_counter() - start)


@contextmanager
def targets_held(size: int | None) -> Iterator[None]:
    """Let the loss hold the logits of so many targets at once while the block runs; None: what it would itself."""
    if size is not None:
        train.model.loss.targets_at_a_time = lambda *given: size
    try:
        yield
    finally:
        train.model.loss.targets_at_a_time = targets_at_a_time


@contextmanager
def trouble_told(figures: Figures, group: str, name: str) -> Iterator[None]:
    """Keep what goes wrong with one way from the others."""
    try:
        yield
    except Exception as error:
        trace = "".join(traceback.format_exception(error))
        figures.missing(group, name, f"{type(error).__name__}: {error}\n{trace}")


def forget(device: torch.device) -> None:
    """Drop what was compiled, and the memory of what is gone, so that the next case is measured alone."""
    gc.collect()
    torch._dynamo.reset()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def main(argv: Sequence[str] | None = None) -> None:
    """The command `python -m benchmarks.train_gpu`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="a few steps of a tiny model, on a CPU")
    parser.add_argument("--seconds", type=float, default=420.0, help="after which nothing more is begun (default: 420)")
    parser.add_argument("--rows", type=int, default=GPT2.batch_size, help="of a step where all are compared")
    parser.add_argument("--turns", type=int, default=4, help="of each way where all are compared (default: 4)")
    parser.add_argument("--backend", default="inductor", help="of torch.compile")
    parser.add_argument("--skip", nargs="*", default=[], choices=("checks", "comparison", "sweep"), help="parts")
    args = parser.parse_args(argv)
    if not args.tiny and not torch.cuda.is_available():
        parser.error("no CUDA device; --tiny runs on a CPU")
    setting = prepared(args)
    figures = Figures(setting, args.seconds)
    print(
        f"torch {torch.__version__}, {figures.device}, {setting.shape.name}, {setting.vocabulary} entries", flush=True
    )
    if "comparison" not in args.skip:
        compare(figures, args.turns)
        gc.collect()
    if "checks" not in args.skip:
        print("\nchecks", flush=True)
        for name, verdict in checks(setting):
            figures.check(name, verdict)
    if "sweep" not in args.skip:
        sweep(figures)
    print("\nrepeat: python -m benchmarks.train_gpu " + shlex.join(argv if argv is not None else sys.argv[1:]))
    print(figures.json())


def prepared(args: argparse.Namespace) -> Setting:
    """Make the process ready as `python -m train` does, and return where and on what everything is measured."""
    train.model.compiling.BACKEND = args.backend
    if args.tiny:
        return Setting(torch.device("cpu"), TINY, 390, 16, args.backend)
    torch.set_float32_matmul_precision("high")
    return Setting(torch.device("cuda", 0), replace(GPT2, batch_size=args.rows), 50257, 128, args.backend)


if __name__ == "__main__":
    main()
