"""Measure what a training with other values of the laptop preset costs and learns, beside the preset's own.

    OMP_NUM_THREADS=1 python -m benchmarks.laptop_preset --work /tmp/search masked epochs=20 width=160 vocab_size=3072

Keys are those of `pretrain.causal` or `pretrain.masked`, and `vocab_size`. The tokenizer and the shards are made once
per vocabulary, by the project's own commands. The cost is CPU seconds of one thread, which a busy machine changes
little. The figure is the probes' own: tokens recited of training rows (causal), hidden tokens of training rows among
the first five guesses (masked). For the cost on a CPU without AVX-512, set ATEN_CPU_CAPABILITY=avx2
MKL_ENABLE_INSTRUCTIONS=AVX2 ONEDNN_MAX_CPU_ISA=AVX2.
"""

import argparse
import shlex
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from accelerate import Accelerator
from transformers.utils import logging

from probes.cloze.hidden_tokens import accuracy
from probes.measuring.rows import sample_rows
from probes.model.loading import LoadedModel
from probes.recitation.attempts import continue_greedily, score
from probes.settings import FillMaskSettings, RecitationSettings
from train.hosts.stop_signal import StopSignal
from train.loop import Training
from train.plan.plan import Plan, make_plan
from train.progress.console import Console
from train.progress.throughput import Stopwatch
from train.settings import OBJECTIVES
from wikilm.params import read_params, section

ROOT = Path(__file__).parents[1]
PARAMS = ROOT / "params.yaml"


@dataclass(frozen=True)
class Outcome:
    """One training: CPU seconds by what they went into, and the figure it was for."""

    steps: int
    train: float
    beside: float  # validation, samples, checkpoints, curves
    loss: float
    figure: float  # of training rows
    held_back: float  # the same figure of validation rows


class CpuStopwatch(Stopwatch):
    """Counts CPU seconds of this process, all threads together, instead of seconds."""

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Count the CPU time of the block."""
        start = time.process_time()
        try:
            yield
        finally:
            self.seconds[what] = self.seconds.get(what, 0.0) + time.process_time() - start


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("objective", choices=OBJECTIVES)
    parser.add_argument("values", nargs="*", metavar="KEY=VALUE", help="values to try; none: the preset as it is")
    parser.add_argument("--work", required=True, type=Path, help="folder for tokenizers, shards and runs")
    parser.add_argument("--seeds", type=int, default=1, help="trainings, each with another seed (default: 1)")
    parser.add_argument("--steps", type=int, help="stop early: the cost of a step, but not what is learned")
    parser.add_argument("--alone", action="store_true", help="leave the preset's own training out, and the ratio")
    args = parser.parse_args(argv)
    logging.set_verbosity_error()
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    values = {key: yaml.safe_load(value) for key, value in (pair.split("=", 1) for pair in args.values)}
    tried = measured(args.work, args.objective, values, args.seeds, args.steps)
    say(args.objective, values, tried)
    if values and not args.alone:
        preset = measured(args.work, args.objective, {}, 1, args.steps)
        say(args.objective, {}, preset)
        print(f"ratio of CPU seconds, tried to preset: {total(tried) / total(preset):.2f}")
    print("repeat: OMP_NUM_THREADS=1 python -m benchmarks.laptop_preset " + shlex.join(argv or sys.argv[1:]))


def measured(work: Path, objective: str, values: dict[str, Any], seeds: int, steps: int | None) -> list[Outcome]:
    """Train once per seed."""
    return [one(work, objective, {"seed": seed, **values}, steps) for seed in range(seeds)]


def one(work: Path, objective: Any, values: dict[str, Any], steps: int | None) -> Outcome:
    """Train, then ask the probe."""
    params = read_params(PARAMS)
    vocabulary = values.pop("vocab_size", params["tokenizer"]["vocab_size"])
    data = prepared(work, vocabulary)
    params["pretrain"][objective] |= values
    (data / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    plan = make_plan(
        objective=objective, params=data / "params.yaml", shards=data / "shards", tokenizer=data / "tokenizer",
        output=data / "model", max_steps=steps, runs=data / f"run-{time.time_ns()}", metrics=data / "metrics",
    )  # fmt: skip
    start = time.process_time()
    training = Training(plan, Accelerator(cpu=True, mixed_precision="no"))
    training.clock = CpuStopwatch()
    with StopSignal().caught() as stop:
        training.run(Console(first=0, last=plan.last_step, shown=False), stop)
    spent = time.process_time() - start
    shutil.rmtree(plan.run.parent)
    stepping = training.clock.seconds_on("data", "train")
    loss = [point["loss"] for point in training.progress.history if "loss" in point][-1]
    figures = asked(plan, training) if steps is None else (float("nan"), float("nan"))
    return Outcome(plan.last_step, stepping, spent - stepping, loss, *figures)


def prepared(work: Path, vocabulary: int | str) -> Path:
    """Tokenizer and shards of the bundled corpus, made by the project's own commands where they are not there yet.

    Args:
        work: what is made for each vocabulary has a folder in it.
        vocabulary: its size, or the folder or name of a tokenizer.
    """
    data = work / f"vocabulary-{Path(str(vocabulary)).name}"
    if not (data / "shards" / "manifest.json").is_file():
        data.mkdir(parents=True, exist_ok=True)
        params = read_params(PARAMS)
        kind, other = ("vocab_size", "pretrained") if isinstance(vocabulary, int) else ("pretrained", "vocab_size")
        params["tokenizer"] |= {kind: vocabulary, other: None}
        (data / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        words = ["--params", str(data / "params.yaml")]
        for module, more in (("pipeline.tokenizer", "tokenizer"), ("pipeline", "shards")):
            given = ["--tokenizer", str(data / "tokenizer")] if module == "pipeline" else []
            command = [sys.executable, "-m", module, *given, "--output", str(data / more), *words]
            subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return data


def asked(plan: Plan, training: Training) -> tuple[float, float]:
    """The probe's figure, on training rows and on validation rows."""
    model = training.learner.model.eval().requires_grad_(False)
    loaded = LoadedModel("tried", plan.objective, plan.output, model, plan.tokenizer)
    if plan.objective == "masked":
        settings = section(PARAMS, "fill_mask", FillMaskSettings)
        shards = sample_rows(plan.shards.path, loaded, None, settings.seed)
        found = accuracy(loaded, shards, settings.masked_fraction, settings.seed)
        return found[0].top5.value, found[1].top5.value
    asks = section(PARAMS, "recitation", RecitationSettings)
    shards = sample_rows(plan.shards.path, loaded, None, asks.seed)
    shares = []
    for split in ("train", "validation"):
        rows = shards.split(split)
        added = continue_greedily(loaded, rows[:, : asks.prefix], asks.continuation, asks.batch_rows)
        truth = rows[:, asks.prefix : asks.prefix + asks.continuation]
        shares.append(score(split, truth, added, asks.prefix, asks.seed).tokens.value)
    return shares[0], shares[1]


def total(outcomes: list[Outcome]) -> float:
    """CPU seconds of a training, the mean over its seeds."""
    return statistics.mean(outcome.train + outcome.beside for outcome in outcomes)


def say(objective: str, values: dict[str, Any], outcomes: list[Outcome]) -> None:
    """One line for each training."""
    name = " ".join(f"{key}={value}" for key, value in values.items()) or "preset"
    for outcome in outcomes:
        print(
            f"{objective} {name}: {outcome.steps} steps, {1000 * outcome.train / outcome.steps:.0f} ms each, "
            f"{outcome.train:.1f} s + {outcome.beside:.1f} s beside, loss {outcome.loss:.3f}, "
            f"train {outcome.figure:.1%}, validation {outcome.held_back:.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
