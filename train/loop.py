"""Train a model step by step: update, log, validate, sample, save, and stop where the plan or a signal says."""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator
from torch import Tensor

from train.model import SummedLoss, backend
from train.model.first_model import first_model
from train.plan import mix
from train.progress import (
    WARM_UP_STEPS,
    Console,
    Pace,
    Point,
    Stopped,
    StopSignal,
    Stopwatch,
    Validation,
    device_peak,
    log_point,
    lowest_validation,
    peak_memory,
    sum_over_processes,
    training_flops,
    validations_since_lowest,
)
from train.progress.sample import sample
from train.rows import Feed, Prefetch
from train.runs import EndedBy
from train.saved import Checkpoint, Keeper, Saver, newest_checkpoint
from train.updates import Average, LossScale, Optimizers, learning_rate
from wikilm.errors import RunError, UsageError

if TYPE_CHECKING:
    from train.plan import Plan


@dataclass
class Progress:
    """What the loop must remember between steps; checkpoints hold it, too."""

    step: int = 0
    losses: list[float] = field(default_factory=list)  # of the steps since the last point of the curve
    sum_of_losses: float = 0.0  # of all steps
    seconds: float = 0.0  # of all sessions up to the checkpoint
    history: list[Point] = field(default_factory=list)
    skipped_steps: int = 0  # in fp16, where a gradient was too large
    loss_scale: dict[str, Any] = field(default_factory=dict)  # in fp16


class Training:
    """One run, in one process of several; `run` reads as its story."""

    def __init__(self, plan: "Plan", accelerator: Accelerator) -> None:
        """Make the model and its optimizers, and load the newest checkpoint of the run if there is one."""
        self.plan, self.accelerator, self.settings = plan, accelerator, plan.settings
        self.model = first_model(plan)
        self.model.to(accelerator.device).train()
        self.optimizers = Optimizers(self.model, plan.settings)
        self.average = Average(self.model, plan.settings.ema_decay)
        self.scale = LossScale(accelerator.scaler, self.optimizers)
        self.progress = self._resumed()
        device, processes = accelerator.device, accelerator.num_processes
        compiler = backend(plan.settings.compile, device)
        self.is_compiled = compiler is not None
        self.loss = accelerator.prepare_model(SummedLoss(self.model, plan.objective, compiler, plan.left_out))
        self.feed = Feed(plan, accelerator.process_index, processes, device, one_shape=self.is_compiled)
        self.prefetch = Prefetch(self.feed.training_parts, plan.last_step, device)
        self.saver = Saver(plan.run, device)
        self.validation = Validation(plan, accelerator, self.feed)
        self.clock = Stopwatch()
        peak = device_peak(device)
        row_tokens, flops = plan.manifest.chunk_tokens, training_flops(plan, self.model)
        self.pace = Pace(self.clock, plan.settings.batch_size * row_tokens, flops, peak and peak * processes)
        self._pending: list[Tensor] = []  # losses still on the device: to read them is to wait for it
        self._first_step = self.progress.step
        self._keeper = Keeper(plan.run, plan.settings) if accelerator.is_main_process else None
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
            console.say(self._told_exhausted())
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
        """Forward, backward, update."""
        with self.clock.on("data"):
            parts = self.prefetch.parts(step)
        with self.clock.on("train"):
            # Dropout is a function of (seed, step, process) as well: a resumed run drops what an undisturbed one drops.
            torch.manual_seed(int(mix(mix(self.settings.seed, step), self.accelerator.process_index)) % 2**63)
            targets = sum_over_processes(self.accelerator, sum(part.targets for part in parts)).clamp(min=1)
            total = torch.zeros((), device=self.accelerator.device)
            for number, part in enumerate(parts, start=1):
                last = number == len(parts)
                with nullcontext() if last else self.accelerator.no_sync(self.loss):
                    loss = self.loss(*part.inputs)
                    # DDP takes the mean of the processes' gradients; what is wanted is the mean over all targets
                    self.scale.scaled(loss * self.accelerator.num_processes / targets).backward()
                total += loss.detach()
            self.scale.unscale()
            if self.settings.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
            if self.scale.update(learning_rate(step, self.plan.planned_steps, self.settings)):
                self.average.update(step)
            else:
                self.progress.skipped_steps += 1
            self._pending.append(sum_over_processes(self.accelerator, total) / targets)
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
        history, point = self.progress.history, Point()
        there = history[-1] if history and history[-1]["step"] == self.progress.step else Point()
        self._read_losses()
        if self.progress.losses:
            point |= self._training_point()
        if self.validation.lacks(there):
            point |= self.validation_point()
        if self.settings.sample_every_steps is not None and "sample" not in there:
            point |= self._sample_point(console)
        return point

    def _record(self, point: Point) -> None:
        """Add a point to the history and the curves, or to the point that this step has already."""
        if not point:
            return
        point = {"step": self.progress.step, "epoch": round(self.epoch, 4), **point}
        history = self.progress.history
        if history and history[-1]["step"] == point["step"]:
            history[-1] |= point
        else:
            history.append(point)
        log_point(self.accelerator, point)

    def _training_point(self) -> Point:
        """Return the mean loss since the last point, learning rate, and speed."""
        self._read_losses()
        progress = self.progress
        loss = sum(progress.losses) / len(progress.losses)
        progress.losses = []
        return {
            "loss": loss,
            "learning_rate": learning_rate(progress.step, self.plan.planned_steps, self.settings),
            **self.pace.since_last(self.session_steps),
            "memory_bytes": peak_memory(self.accelerator.device),
        }

    def _read_losses(self) -> None:
        """Move losses from the device into the progress.

        Raises:
            RunError: one of them is no number.
        """
        if not self._pending:
            return
        first = self.progress.step - len(self._pending) + 1
        with self.clock.on("train"):  # this waits for the device
            losses = [float(loss) for loss in torch.stack(self._pending).tolist()]
        self._pending = []
        for step, loss in enumerate(losses, start=first):
            if not math.isfinite(loss):
                raise RunError(
                    f"the loss is {loss} at step {step}: the model has diverged; lower pretrain.{self.plan.objective}."
                    f"learning_rate (now {self.settings.learning_rate}) or set clip_norm, then start again"
                )
        self.progress.losses += losses
        self.progress.sum_of_losses += sum(losses)

    def validation_point(self) -> Point:
        """Return what a validation gives."""
        with self.clock.on("validate"), self.outcome():
            loss = self.accelerator.unwrap_model(self.loss, keep_fp32_wrapper=True)
            return self.validation.point(loss)

    @contextmanager
    def outcome(self) -> Iterator[dict[str, Tensor]]:
        """Give the model, while the block runs, the weights to validate, to keep and to export; they come by name."""
        with self.average.in_place():
            yield dict(self.model.named_parameters())

    def _sample_point(self, console: Console) -> Point:
        """Return what the model makes of the prompt; the main process asks it."""
        if not self.accelerator.is_main_process:
            return {}
        with self.clock.on("sample"), self.outcome():
            text = sample(self.model, self.plan.tokenizer, self.plan.objective, self.settings.sample_prompt)
        console.say(f"step {self.progress.step}: {text}")
        return {"sample": text}

    def _agreed_stop(self, stop: StopSignal, step: int) -> int:
        """Return the signal that asks for a stop, 0 for none. Several processes get it at different steps, so they
        agree.
        """
        number = stop.number or 0
        if self.accelerator.num_processes == 1:
            return number
        if self.accelerator.device.type == "cuda" and step % self.settings.log_every_steps:
            return 0  # asking all of them at every step would make each wait for its device
        numbers = self.accelerator.gather(torch.tensor([number], device=self.accelerator.device))
        return int(numbers.max())

    def _is_exhausted(self) -> bool:
        """Return whether as many validations as `early_stopping` says have gone by without a lower loss.

        The history decides it, which all processes have and checkpoints hold, so that a resumed run ends where an
        undisturbed one does.
        """
        patience = self.settings.early_stopping
        return patience is not None and validations_since_lowest(self.progress.history) >= patience

    def _told_exhausted(self) -> str:
        lowest = lowest_validation(self.progress.history) or {}
        return (
            f"early stopping: no lower loss in {self.settings.early_stopping} validations after step "
            f"{lowest['step']:,} ({lowest['validation_loss']:.4f}); ended at step {self.progress.step:,} of "
            f"{self.plan.planned_steps:,}"
        )

    def _keep(self) -> None:
        """Keep the weights that this step has left, where they are the best so far or are to be kept for probes."""
        step, history = self.progress.step, self.progress.history
        if self._keeper and self._keeper.wants(step, history):
            with self.clock.on("save"), self.outcome() as weights:
                self._keeper.keep(step, history, weights)

    def _save(self, console: Console) -> None:
        """Save a checkpoint, from the main process; the others wait."""
        self._read_losses()
        with self.clock.on("save"):
            if self.accelerator.is_main_process:
                if self._keeper:
                    self._keeper.write_best()
                state = asdict(self.progress) | {
                    "seconds": self.progress.seconds + console.seconds,
                    "loss_scale": self.scale.state(),
                }
                model = dict(self.model.named_parameters())
                updates = self.optimizers.state() | self.average.state()
                self.saver.save(Checkpoint(self.progress.step, model, updates, state))
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
                f"--max-steps {self.plan.last_step}: this run stands at step {found.step} already ({self.plan.run}); "
                f"allow at least as many, or begin anew with --fresh"
            )
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(found.model[name])
        self.optimizers.load(self.average.load(found.optimizer))
        progress = Progress(**found.state)
        self.scale.load(progress.loss_scale)
        return progress
