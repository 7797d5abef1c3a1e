"""Train a model step by step: update, log, validate, sample, save, and stop where the plan or a signal says."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import torch
from accelerate import Accelerator
from torch import Tensor

from train.hosts.agreement import highest
from train.hosts.sharding import Sharding
from train.hosts.stop_signal import Stopped, StopSignal
from train.progress import (
    WARM_UP_STEPS,
    Console,
    Pace,
    Point,
    Progress,
    Stopwatch,
    Validation,
    device_peak,
    log_point,
    peak_memory,
    training_flops,
)
from train.progress.sample import sample
from train.rows import Feed, Prefetch
from train.runs import EndedBy
from train.saved import Checkpoint, Keeper, Saver, newest_checkpoint
from train.updates import Learner, learning_rate, named_weights
from wikilm.errors import UsageError

if TYPE_CHECKING:
    from train.plan import Plan


class Training:
    """One run, in one process of several; `run` reads as its story."""

    def __init__(self, plan: "Plan", accelerator: Accelerator, sharding: Sharding | None = None) -> None:
        """Make the model and its optimizers, and load the newest checkpoint of the run if there is one.

        Args:
            plan: of the run.
            accelerator: of this process, on its device.
            sharding: how processes share the parameters out; None where each has all of them.
        """
        self.plan, self.accelerator, self.settings = plan, accelerator, plan.settings
        self.learner = Learner(plan, accelerator, sharding)
        self.progress = self._resumed()
        device, processes = accelerator.device, accelerator.num_processes
        self.feed = Feed(plan, accelerator.process_index, processes, device, one_shape=self.learner.is_compiled)
        self.prefetch = Prefetch(self.feed.training_parts, plan.last_step, device)
        self.saver = Saver(plan.run, device)
        self.validation = Validation(plan, accelerator, self.feed)
        self.clock = Stopwatch()
        peak = device_peak(device)
        row_tokens, flops = plan.manifest.chunk_tokens, training_flops(plan, self.learner.model)
        self.pace = Pace(self.clock, plan.settings.batch_size * row_tokens, flops, peak and peak * processes)
        self._pending: list[Tensor] = []  # losses still on the device: to read them is to wait for it
        self._first_step = self.progress.step
        self._keeper = Keeper(plan.run, plan.settings)
        self.ended_by: EndedBy = "planned_steps" if plan.last_step == plan.planned_steps else "max_steps"

    def run(self, console: Console, stop: StopSignal) -> None:
        """Train to the plan's last step, or to where early stopping ends it, then add what the curves still lack there.

        Raises:
            Stopped: by a signal, after saving a checkpoint.
            RunError: the loss is no number any more.
            OSError: a checkpoint cannot be written.
        """
        with self.prefetch, self.saver:
            self._run(console, stop)

    def _run(self, console: Console, stop: StopSignal) -> None:
        saved = self.progress.step
        last_step = saved if self._is_exhausted() else self.plan.last_step
        for step in range(saved + 1, last_step + 1):
            self._step(step)
            if self.session_steps == WARM_UP_STEPS:
                self._read_losses()  # waits for the device
                self.pace.start(self.session_steps)
            self.saver.check()
            point = self._point_of_step(step, console)
            self._record(point)
            self._keep()
            console.advance(point)
            number, last = self._agreed_stop(stop, step), step == self.plan.last_step or self._is_exhausted()
            if number or step % self.settings.checkpoint_every_steps == 0 or last:
                self._save(console)
            if number and not last:
                self.saver.join()
                raise Stopped(number, step)
            if last:
                break
        if self._is_exhausted():
            self.ended_by = "early_stopping"
            console.say(self.progress.told_exhausted(self.plan))
        # After the last checkpoint, so that a run which --max-steps stopped early and a later command resumed has the
        # same curve as one that was never stopped.
        self._record(self._missing_point(console))

    @property
    def epoch(self) -> float:
        """Times that every training row has been seen."""
        return self.progress.step * self.settings.batch_size / self.plan.order.rows

    @property
    def tokens(self) -> int:
        """Tokens trained on, over all processes and sessions."""
        return self.progress.step * self.settings.batch_size * self.plan.manifest.chunk_tokens

    @property
    def session_steps(self) -> int:
        """Steps since the command was started."""
        return self.progress.step - self._first_step

    def _step(self, step: int) -> None:
        """Learn from the rows of a step."""
        with self.clock.on("data"):
            parts = self.prefetch.parts(step)
        with self.clock.on("train"):
            loss, updated = self.learner.learn(step, parts)
        self._pending.append(loss)
        self.progress.skipped_steps += not updated
        self.progress.step = step

    def _point_of_step(self, step: int, console: Console) -> Point:
        """Return what this step adds to the curves; for most steps nothing."""
        settings, point = self.settings, Point()
        if step % settings.log_every_steps == 0:
            point |= self._training_point()
        if step % settings.validate_every_steps == 0:
            point |= self.validation_point()
        if settings.sample_every_steps is not None and step % settings.sample_every_steps == 0:
            point |= self._sample_point(console)
        return point

    def _missing_point(self, console: Console) -> Point:
        """Return what the curves lack at the last step."""
        there, point = self.progress.newest_point(), Point()
        self._read_losses()
        if self.progress.losses:
            point |= self._training_point()
        if self.validation.lacks(there):
            point |= self.validation_point()
        if self.settings.sample_every_steps is not None and "sample" not in there:
            point |= self._sample_point(console)
        return point

    def _record(self, point: Point) -> None:
        """Add a point to the history and the curves."""
        if point:
            point = {"step": self.progress.step, "epoch": round(self.epoch, 4), **point}
            self.progress.add_point(point)
            log_point(self.accelerator, point)

    def _training_point(self) -> Point:
        """Return the mean loss since the last point, learning rate, and speed."""
        self._read_losses()
        return {
            "loss": self.progress.take_mean_loss(),
            "learning_rate": learning_rate(self.progress.step, self.plan.planned_steps, self.settings),
            **self.pace.since_last(self.session_steps),
            "memory_bytes": peak_memory(self.accelerator.device),
        }

    def _read_losses(self) -> None:
        """Move losses from the device into the progress.

        Raises:
            RunError: one of them is no number.
        """
        if self._pending:
            with self.clock.on("train"):  # this waits for the device
                losses = [float(loss) for loss in torch.stack(self._pending).tolist()]
            self._pending = []
            self.progress.add_losses(losses, self.plan)

    def validation_point(self) -> Point:
        """Return what a validation gives."""
        with self.clock.on("validate"), self.learner.outcome() as model:
            return self.validation.point(self.learner.loss_of(model))

    def _sample_point(self, console: Console) -> Point:
        """Return what the model makes of the prompt; the main process asks it, and others know that it was asked."""
        with self.clock.on("sample"), self.learner.outcome() as model:
            if not self.accelerator.is_main_process:
                return {"sample": ""}
            text = sample(model, self.plan.tokenizer, self.plan.objective, self.settings.sample_prompt)
        console.say(f"step {self.progress.step}: {text}")
        return {"sample": text}

    def _agreed_stop(self, stop: StopSignal, step: int) -> int:
        """Return the signal that asks for a stop, 0 for none. Several processes get it at different steps, so they
        agree.
        """
        several = self.accelerator.num_processes > 1
        if several and self.accelerator.device.type == "cuda" and step % self.settings.log_every_steps:
            return 0  # asking all of them at every step would make each wait for its device
        return highest(self.accelerator, stop.number or 0)

    def _is_exhausted(self) -> bool:
        return self.progress.is_exhausted(self.settings.early_stopping)

    def _keep(self) -> None:
        """Keep the weights that this step has left, where they are the best so far or are to be kept for probes."""
        step, history = self.progress.step, self.progress.history
        if self._keeper.wants(step, history):
            with self.clock.on("save"), self.learner.outcome() as model:
                if self.accelerator.is_main_process:
                    self._keeper.keep(step, history, named_weights(model))

    def _save(self, console: Console) -> None:
        """Save a checkpoint, from the main process; the others wait."""
        self._read_losses()
        with self.clock.on("save"):
            tensors = self.learner.state()
            if self.accelerator.is_main_process:
                self._keeper.write_best()
                state = asdict(self.progress) | {
                    "seconds": self.progress.seconds + console.seconds,
                    "loss_scale": self.learner.scale.state(),
                }
                self.saver.save(Checkpoint(self.progress.step, *tensors, state))
            self.accelerator.wait_for_everyone()

    def _resumed(self) -> Progress:
        """Load the newest whole checkpoint of this run, or start at step 0.

        Raises:
            UsageError: it is beyond the step to stop at.
        """
        found = newest_checkpoint(self.plan.run)
        if found is None:
            return Progress()
        if found.step > self.plan.last_step:
            raise UsageError(
                f"{self.plan.told_last_step}: this run stands at step {found.step} already ({self.plan.run}); "
                f"allow at least as many, or begin anew with --fresh"
            )
        self.learner.load(found.model, found.optimizer)
        progress = Progress(**found.state)
        self.learner.scale.load(progress.loss_scale)
        return progress
