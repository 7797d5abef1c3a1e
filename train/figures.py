"""Compute the figures of a finished training: those that the run determines, and those that the machine does."""

from typing import Any

import torch

from train.curves import lowest_validation, reproducible
from train.loop import Training
from train.model import architecture, parameter_counts
from train.runs import read_record
from train.throughput import flops_per_token, peak_flops, tokens_per_second, utilization


def run_figures(training: Training) -> dict[str, Any]:
    """Return the figures that are the same for the same run, for `training.json` and the model card."""
    plan, progress = training.plan, training.progress
    history = reproducible(progress.history)
    lowest = lowest_validation(history) or {}
    record = read_record(plan.run)
    validated = [point for point in history if "validation_loss" in point][-1]
    return {
        "objective": plan.objective,
        "architecture": architecture(plan.settings),
        **({"init": plan.start.facts()} if plan.start else {}),
        "steps": progress.step,
        "planned_steps": plan.planned_steps,
        "epochs": round(training.epoch, 4),
        "tokens": training.tokens,
        "rows": {split: plan.manifest.row_count(split) for split in ("train", "validation")},
        "chunk_tokens": plan.manifest.chunk_tokens,
        "vocab_size": plan.manifest.tokenizer.vocab_size,
        **parameter_counts(training.model),
        "loss": [point["loss"] for point in history if "loss" in point][-1],
        "mean_loss": progress.sum_of_losses / progress.step,
        "validation_loss": validated["validation_loss"],
        **{name: validated.get(name) for name in ("perplexity", "bits_per_byte")},
        **({"validation": validated["validation"]} if "validation" in validated else {}),
        "lowest_validation_loss": lowest["validation_loss"],
        "lowest_validation_step": lowest["step"],
        **({"continues": list(record.continues)} if record and record.continues else {}),
        "settings": plan.settings.model_dump(),
        "history": history,
    }


def measured_figures(training: Training, seconds: float) -> dict[str, Any]:
    """Return the figures that depend on the machine and its load: speed, time, and where the time went."""
    plan, clock, processes = training.plan, training.clock, training.accelerator.num_processes
    tokens = training.session_steps * plan.settings.batch_size * plan.manifest.chunk_tokens
    speed = tokens_per_second(tokens, clock.seconds_on("data", "train"))
    figures: dict[str, Any] = {
        "tokens_per_second": round(speed, 1),
        "seconds": round(training.progress.seconds + seconds, 2),
        "data_wait_fraction": round(clock.seconds_on("data") / max(1e-9, clock.seconds_on("data", "train")), 4),
    }
    device = training.accelerator.device
    peak = peak_flops(torch.cuda.get_device_name(device)) if device.type == "cuda" else None
    if peak:
        used = utilization(speed, training_flops(training), peak * processes)
        figures["model_flops_utilization"] = round(used or 0.0, 4)
    return figures


def training_flops(training: Training) -> float:
    """FLOPs per token of this model, its head counted where it is applied."""
    plan = training.plan
    layers, _, width = plan.settings.shape
    head = plan.manifest.tokenizer.vocab_size * width * (plan.masked_fraction or 1.0)
    outside = parameter_counts(training.model)["non_embedding_parameters"]
    return flops_per_token(outside, head, layers, width, plan.manifest.chunk_tokens)
