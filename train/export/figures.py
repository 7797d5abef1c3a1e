"""Compute the figures of a finished training: those that the run determines, and those that the machine does."""

from typing import Any

from train.loop import Training
from train.model import architecture, parameter_counts
from train.progress import lowest_validation, peak_memory, reproducible
from train.runs import read_record


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
        "ended_by": training.ended_by,
        "epochs": round(training.epoch, 4),
        "tokens": training.tokens,
        "rows": {split: plan.manifest.row_count(split) for split in ("train", "validation")},
        "chunk_tokens": plan.manifest.chunk_tokens,
        "vocab_size": plan.manifest.tokenizer.vocab_size,
        **parameter_counts(training.learner.model),
        "loss": [point["loss"] for point in history if "loss" in point][-1],
        "mean_loss": progress.sum_of_losses / progress.step,
        "validation_loss": validated["validation_loss"],
        **{name: validated.get(name) for name in ("perplexity", "bits_per_byte")},
        **({"validation": validated["validation"]} if "validation" in validated else {}),
        "lowest_validation_loss": lowest["validation_loss"],
        "lowest_validation_step": lowest["step"],
        **({"skipped_steps": progress.skipped_steps} if plan.settings.mixed_precision == "fp16" else {}),
        **({"continues": list(record.continues)} if record and record.continues else {}),
        "settings": plan.settings.model_dump(),
        "history": history,
    }


def figures_of_best(figures: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of the weights that had the lowest validation loss, out of those of their whole run."""
    step, steps, history = figures["lowest_validation_step"], figures["steps"], figures["history"]
    [point] = [point for point in history if point["step"] == step]
    means = [(point["step"], point["loss"]) for point in history if "loss" in point]  # each of the steps since the last
    means = means[: 1 + next(index for index, (end, _) in enumerate(means) if end >= step)]
    starts = [0, *(end for end, _ in means)]
    total = sum(mean * (end - start) for (end, mean), start in zip(means, starts, strict=False))
    return figures | {
        "weights": "lowest_validation",
        "steps": step,
        "run_steps": steps,
        "epochs": point["epoch"],
        "tokens": figures["tokens"] // steps * step,
        "loss": means[-1][1],
        "mean_loss": total / means[-1][0],
        **{name: point.get(name) for name in ("validation_loss", "perplexity", "bits_per_byte")},
        **({"validation": point["validation"]} if "validation" in point else {}),
        "history": [point for point in history if point["step"] <= step],
    }


def measured_figures(training: Training, seconds: float) -> dict[str, Any]:
    """Return the figures that depend on the machine and its load: time, speed after the warm-up, and memory."""
    return {
        "seconds": round(training.progress.seconds + seconds, 2),
        **training.pace.in_all(training.session_steps),
        "memory_bytes": peak_memory(training.accelerator.device),
    }
