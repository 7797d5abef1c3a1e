"""Run a training plan from its newest checkpoint to the exported model, in each of the processes that were started."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from accelerate import Accelerator

from train.export import copies_to_export, export, measured_figures, run_figures
from train.hosts.agreement import highest, refuse_difference
from train.hosts.heartbeat import other_machines_watched
from train.hosts.memory import exhaustion_told
from train.hosts.processes import joined, tell
from train.hosts.sharding import asked_sharding
from train.hosts.start import start_accelerator
from train.hosts.stop_signal import StopSignal
from train.loop import Training
from train.model import parameter_counts
from train.plan import Plan
from train.progress import FORMULA, Console, chosen, end_trackers, mend_curves, start_trackers
from train.rows import exposures_of
from train.runs import EndedBy, Record, read_record, saved_steps, shorter, unfinished_others, write_record
from train.saved import clear_unfinished, failed_files_told, held, remove_run, take_over
from train.updates import learning_rate, named_weights
from wikilm.again import but_fresh
from wikilm.errors import RunError, UsageError
from wikilm.files import remove_folder
from wikilm.shards import SPLITS
from wikilm.starters import is_launched


def train(plan: Plan) -> None:
    """Train, export the model, and print the figures as one line of JSON.

    Raises:
        UsageError: a batch too small for the processes that share it.
        RunError: a diverged loss, a full device, another process died; or a signal asked to stop.
    """
    with other_machines_watched(plan.run) as all_have_joined:
        accelerator = start_accelerator(plan, chosen(plan))
        all_have_joined()
        told = exhaustion_told(plan.told_settings, less_memory())
        with joined(accelerator, plan), alone(accelerator, plan), failed_files_told(plan.run), told:
            check_shards(accelerator, plan)
            figures = train_with(accelerator, plan)
    if figures:
        try:
            print(json.dumps(figures), flush=True)
        except BrokenPipeError:
            raise
        except OSError as error:
            why = error.strerror or error
            raise RunError(f"{plan.output}: the model is finished, but its figures cannot be printed: {why}") from None


def less_memory() -> str:
    """Say which settings take less memory, and whether a run goes on with them."""
    return (
        f"set gradient_checkpointing: true, with which the same command{but_fresh()} goes on from the newest "
        f"checkpoint, raise gradient_accumulation, or make the model smaller"
    )


@contextlib.contextmanager
def alone(accelerator: Accelerator, plan: Plan) -> Iterator[None]:
    """Let no other training write into the same folders while the block runs; the main process holds the locks.

    Raises:
        UsageError: another one does.
        RunError: one of them cannot be written.
    """
    folders = {plan.output: "output", plan.run.parent: "runs"}
    if accelerator.log_with:
        folders[plan.metrics] = "metrics"
    with contextlib.ExitStack() as places:
        refused: RunError | None = None
        if accelerator.is_main_process:
            try:
                places.enter_context(held(folders))
            except RunError as error:
                refused = error
        if highest(accelerator, refused is not None):
            raise refused or UsageError("refused by the main process")
        yield


def check_shards(accelerator: Accelerator, plan: Plan, splits: Sequence[str] = SPLITS) -> None:
    """Read the shards once before the first step: the processes of a machine share them.

    Of sets that are there to validate on, only those rows are read.

    Raises:
        RunError: one of them is not what its manifest says.
    """
    damaged: RunError | None = None
    try:
        process, processes = accelerator.local_process_index, int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        plan.shards.check_bytes(process, processes, splits)
        for shards in plan.validation.values():
            shards.check_bytes(process, processes, ("validation",))
    except (RunError, OSError) as error:
        damaged = error if isinstance(error, RunError) else RunError(str(error))
    if highest(accelerator, damaged is not None):
        raise damaged or RunError("another process has found a damaged shard")


def train_with(accelerator: Accelerator, plan: Plan) -> dict[str, Any] | None:
    """Train as one of the processes that have joined (see `train`); return the figures to print, in the main one."""
    if accelerator.is_main_process:
        prepare_run(plan)
    accelerator.wait_for_everyone()
    training = Training(plan, accelerator, asked_sharding())
    refuse_difference(accelerator, plan, training.progress.step)
    first = accelerator.is_main_process
    with StopSignal(launched=is_launched()).caught() as stop:
        with contextlib.redirect_stdout(sys.stderr):  # some trackers tell on stdout what they do
            start_trackers(accelerator, plan, training.progress.history)
            console = Console(first=training.progress.step, last=plan.last_step, shown=first)
            console.say(introduction(training))
            try:
                training.run(console, stop)
                mend_curves(accelerator, plan, training.progress.history)
            finally:
                console.close()
                end_trackers(accelerator)
        figures = finish(training, console.seconds)  # no signal stops it any more: the last step is done
        accelerator.wait_for_everyone()
        accelerator.end_training()
        return figures


def finish(training: Training, seconds: float) -> dict[str, Any] | None:
    """Export what was trained; return the figures to print, in the main process."""
    plan, first = training.plan, training.accelerator.is_main_process
    with training.learner.outcome() as model:  # which takes all processes where they share the parameters out
        if first:
            figures = run_figures(training)
            export(
                *(plan.output, model, plan.tokenizer, plan.tokenizer_folder, plan.manifest, figures),
                copies=copies_to_export(plan, figures, named_weights(model)),
                exposures=exposures_of(plan.order, training.progress.step) if plan.settings.exposures else None,
            )
    if not first:
        return None
    if training.ended_by != "max_steps":
        end_run(plan, training.ended_by)
    told = {key: value for key, value in figures.items() if key not in ("settings", "history", "rows")}
    return {**told, **measured_figures(training, seconds), "output": str(plan.output)}


def prepare_run(plan: Plan) -> None:
    """Give a run its record, and the end of a shorter run to go on from where one was kept; say what is left behind."""
    clear_unfinished(plan.run)
    output, settings = plan.output.resolve(), plan.settings
    if plan.fresh and plan.run.exists():
        remove_folder(plan.run)
    before = read_record(plan.run)
    continues = list(before.continues) if before else []
    short = None if plan.fresh or saved_steps(plan.run) else shorter(plan.run, plan.identity, settings.epochs, output)
    if short and short.record and (step := take_over(plan.run, short.path)):
        continues = [*short.record.continues, step]
        ended = learning_rate(step, short.record.planned_steps, settings)
        rate = learning_rate(min(step + 1, plan.planned_steps), plan.planned_steps, settings)
        early = short.record.ended_by == "early_stopping"
        how = "which early stopping has ended" if early else "whose schedule has ended"
        tell(
            f"goes on from step {step}, the end of a run of {short.record.epochs} epochs, {how} at a rate of "
            f"{ended:.3g}; from here it is that of {settings.epochs} epochs, {rate:.3g}"
        )
    record = Record(str(output), plan.identity, settings.epochs, plan.planned_steps, continues=continues)
    write_record(plan.run, record)
    for other in unfinished_others(plan.run, output):
        remove = f"python -m train.runs {plan.run.parent} --remove {other.path.name}"
        tell(f"left behind in {plan.run.parent}: {other}; {remove} removes it")


def end_run(plan: Plan, ended_by: EndedBy) -> None:
    """Remove the checkpoints of a finished run, or keep them for more epochs where that was asked for."""
    record = read_record(plan.run)
    if plan.keep_run and record:
        write_record(plan.run, replace(record, finished=True, ended_by=ended_by))
    else:
        remove_run(plan.run)


def introduction(training: Training) -> str:
    """Return a few lines for people that say what is about to be trained."""
    plan, accelerator, settings = training.plan, training.accelerator, training.settings
    counts = parameter_counts(training.learner.model)
    processes = accelerator.num_processes
    layers, _, width = settings.shape
    first = f"from the weights of {plan.start.name}" if plan.start else "from scratch"
    start = f"from step {training.progress.step}" if training.progress.step else first
    lines = [
        f"{plan.objective}: {layers} layer{'s' if layers > 1 else ''} of {width}, "
        f"{counts['parameters']:,} parameters, {counts['non_embedding_parameters']:,} of them outside embeddings",
        f"{plan.order.rows:,} rows of {plan.manifest.chunk_tokens} tokens, {settings.epochs} epochs; {start} to step "
        f"{plan.last_step:,} of {plan.planned_steps:,}, {settings.batch_size} rows each, by {settings.optimizer}",
        f"{accelerator.device.type}, {accelerator.mixed_precision} mixed precision, "
        f"{'compiled' if training.learner.is_compiled else 'not compiled'}, {processes} process"
        + (f"es, about {settings.batch_size // processes} rows each" if processes > 1 else "")
        + (", which share the parameters out (FSDP2)" if training.learner.is_sharded else ""),
    ]
    if training.validation.no_bytes:
        lines.append(f"bits per byte: {training.validation.no_bytes}")
    if accelerator.device.type == "cuda":
        lines.append(f"model FLOPs utilization = {FORMULA}")
    return "\n".join(lines)
