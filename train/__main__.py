"""The command `python -m train`: shards and a tokenizer in, a pretrained language model out."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from transformers.utils import logging

from train.checkpoint import clear_unfinished, remove_run
from train.console import Console, StopSignal
from train.export import export
from train.figures import measured_figures, run_figures
from train.history import Curves
from train.loop import Training
from train.model import parameter_counts
from train.plan import Plan, make_plan
from train.settings import OBJECTIVES
from train.throughput import FORMULA
from wikilm.cli import Parser, program, run
from wikilm.errors import RunError, UsageError
from wikilm.params import DEFAULT_PARAMS

PROGRAM = "python -m train"
EPILOG = """examples:
  python -m train --objective causal --shards data/shards --tokenizer data/tokenizer --output models/causal
  accelerate launch --quiet --config_file launch/multi-gpu.yaml -m train --objective masked ...

The model's shape, the optimizer and the schedule are in params.yaml, section pretrain.causal or pretrain.masked.
Killed or stopped, the same command goes on from the newest whole checkpoint; other settings or shards are another run
and start anew. The last line on stdout is a JSON object.

Exit status: 0 done, 1 the run failed, 2 wrong usage, 143 or 130 stopped by SIGTERM or Ctrl-C. accelerate launch makes 1
of all of these, and adds a traceback of its own unless it is given --quiet.
"""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = Parser(
        prog=program(PROGRAM),
        description="Pretrain GPT-2 (causal) or BERT (masked) on shards of token ids.",
        epilog=EPILOG,
    )
    add = parser.add_argument
    add("--objective", required=True, choices=OBJECTIVES, help="causal: predict the next token; masked: fill in masks")
    add("--shards", required=True, type=Path, metavar="DIR", help="what python -m pipeline wrote")
    add("--tokenizer", required=True, type=Path, metavar="DIR", help="the tokenizer that made the shards")
    add("--output", required=True, type=Path, metavar="DIR", help="the finished model, as from_pretrained loads it")
    parser.add_params()
    add("--max-steps", type=_positive, metavar="N", help="stop early; the schedule stays that of the planned steps")
    add("--runs", type=Path, metavar="DIR", help="checkpoints to go on from (default: runs/NAME beside --output)")
    add("--metrics", type=Path, metavar="DIR", help="curves by DVCLive (default: metrics/NAME beside --output)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command.

    Raises:
        UsageError: flags, params, tokenizer or output that do not fit.
        RunError: damaged shards, a diverged loss, a full device; or a signal asked to stop.
    """
    args = parse(argv)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    plan = make_plan(**vars(args))
    accelerator = started_accelerator(plan)
    if plan.settings.batch_size < accelerator.num_processes * plan.settings.gradient_accumulation:
        raise UsageError(
            f"{args.params or DEFAULT_PARAMS}: pretrain.{plan.objective}.batch_size: {plan.settings.batch_size} rows "
            f"cannot be shared by {accelerator.num_processes} processes x {plan.settings.gradient_accumulation} "
            "(gradient_accumulation)"
        )
    if accelerator.device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32 for what stays in fp32, such as Muon
    if accelerator.is_main_process:
        clear_unfinished(plan.run)
    train(plan, accelerator)


def train(plan: Plan, accelerator: Accelerator) -> None:
    """Train, export, tell."""
    training = Training(plan, accelerator)
    first = accelerator.is_main_process
    curves = Curves(plan.metrics, training.progress.history) if first else None
    console = Console(first=training.progress.step, last=plan.last_step, shown=first)
    console.say(introduction(training))
    try:
        with StopSignal().caught() as stop:
            training.run(console, curves, stop)
    finally:
        console.close()
    if first:
        figures = run_figures(training)
        export(plan.output, training.model, plan.tokenizer, plan.tokenizer_folder, plan.manifest, figures)
        if training.progress.step == plan.planned_steps:
            remove_run(plan.run)
        told = {key: value for key, value in figures.items() if key not in ("settings", "history", "rows")}
        told |= measured_figures(training, console.seconds)
        if curves:
            curves.finish({key: value for key, value in told.items() if isinstance(value, int | float)})
        print(json.dumps({**told, "output": str(plan.output)}), flush=True)
    accelerator.wait_for_everyone()
    accelerator.end_training()


def introduction(training: Training) -> str:
    """What is about to be trained, in a few lines for people."""
    plan, accelerator, settings = training.plan, training.accelerator, training.settings
    counts = parameter_counts(training.model)
    processes = accelerator.num_processes
    start = f"from step {training.progress.step}" if training.progress.step else "from scratch"
    lines = [
        f"{plan.objective}: {settings.layers} layers of {settings.width}, {counts['parameters']:,} parameters, "
        f"{counts['non_embedding_parameters']:,} of them outside embeddings",
        f"{plan.order.rows:,} rows of {plan.manifest.chunk_tokens} tokens, {settings.epochs} epochs; {start} to step "
        f"{plan.last_step:,} of {plan.planned_steps:,}, {settings.batch_size} rows each, by {settings.optimizer}",
        f"{accelerator.device.type}, {accelerator.mixed_precision} mixed precision, {processes} process"
        + (f"es, about {settings.batch_size // processes} rows each" if processes > 1 else ""),
    ]
    if accelerator.device.type == "cuda":
        lines.append(f"model FLOPs utilization = {FORMULA}")
    return "\n".join(lines)


def started_accelerator(plan: Plan) -> Accelerator:
    """The processes of this run, joined, each on its device.

    Raises:
        RunError: several were started, but they do not find each other, and each would train a model of its own.
    """
    asked = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("true", "1", "yes")
    on_cpu = asked or not torch.accelerator.is_available()
    precision = plan.settings.mixed_precision
    if precision == "auto":
        precision = "bf16" if not on_cpu and torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "no"
    # `cpu=True` where there is nothing else: without it accelerate joins no processes there, and says nothing
    accelerator = Accelerator(cpu=on_cpu, mixed_precision=precision)
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if accelerator.num_processes != started:
        raise RunError(f"{started} processes were started, but {accelerator.num_processes} joined; see launch/")
    return accelerator


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


if __name__ == "__main__":
    sys.exit(run(main, PROGRAM))
