"""Train a model step by step: update, log, validate, sample, save, and stop where the plan or a signal says."""

import math
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field

import torch
from accelerate import Accelerator
from torch import Tensor

from train.batch import mix
from train.checkpoint import Checkpoint, newest_checkpoint, save_checkpoint
from train.console import Console, Stopped, StopSignal
from train.curves import Point, log_point
from train.feed import Feed
from train.initialization import initialize
from train.loss import SummedLoss
from train.model import build
from train.optimizer import Optimizers, learning_rate
from train.plan import Plan
from train.sample import sample
from train.throughput import Stopwatch, tokens_per_second
from wikilm.errors import RunError, UsageError

MOST_NATS = 700.0  # exp of more is no float any more


@dataclass
class Progress:
    """What the loop must remember between steps; checkpoints hold it, too."""

    step: int = 0
    losses: list[float] = field(default_factory=list)  # of the steps since the last point of the curve
    sum_of_losses: float = 0.0  # of all steps
    seconds: float = 0.0  # of all sessions up to the checkpoint
    history: list[Point] = field(default_factory=list)


class Training:
    """One run, in one process of several; `run` reads as its story."""

    def __init__(self, plan: Plan, accelerator: Accelerator) -> None:
        """Make the model and its optimizers, and load the newest checkpoint of the run if there is one."""
        self.plan, self.accelerator, self.settings = plan, accelerator, plan.settings
        self.model = build(plan.objective, plan.settings, plan.manifest.tokenizer, plan.manifest.chunk_tokens)
        if plan.settings.initialization != "normal":
            initialize(self.model, plan.shards.rows("train"))
        self.model.to(accelerator.device).train()
        self.optimizers = Optimizers(self.model, plan.settings)
        self.progress = self._resumed()
        self.loss = accelerator.prepare_model(SummedLoss(self.model, plan.objective))
        self.feed = Feed(plan, accelerator.process_index, accelerator.num_processes, accelerator.device)
        self.clock = Stopwatch()
        self._pending: list[Tensor] = []  # losses still on the device: to read them is to wait for it
        self._last_point = (self.progress.step, 0.0)  # step, and seconds on the clock
        self._first_step = self.progress.step

    def run(self, console: Console, stop: StopSignal) -> None:
        """Train to the plan's last step, then add what the curves still lack there.

        Raises:
            Stopped: by a signal, after saving a checkpoint.
            RunError: the loss is no number any more.
        """
        saved = self.progress.step
        for step in range(saved + 1, self.plan.last_step + 1):
            self._step(step)
            point = self._point_of_step(step, console)
            self._record(point)
            console.advance(point)
            number = self._agreed_stop(stop, step)
            if number or step % self.settings.checkpoint_every_steps == 0 or step == self.plan.last_step:
                self._save(console)
            if number and step < self.plan.last_step:
                raise Stopped(number, step)
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
            parts = self.feed.training_parts(step)
        with self.clock.on("train"):
            # Dropout is a function of (seed, step, process) as well: a resumed run drops what an undisturbed one drops.
            torch.manual_seed(int(mix(mix(self.settings.seed, step), self.accelerator.process_index)) % 2**63)
            targets = self._sum_over_processes(sum(len(part[2]) for part in parts)).clamp(min=1)
            total = torch.zeros((), device=self.accelerator.device)
            for number, part in enumerate(parts, start=1):
                last = number == len(parts)
                with nullcontext() if last else self.accelerator.no_sync(self.loss):
                    loss = self.loss(*part)
                    # DDP takes the mean of the processes' gradients; what is wanted is the mean over all targets
                    (loss * self.accelerator.num_processes / targets).backward()
                total += loss.detach()
            if self.settings.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
            self.optimizers.step(learning_rate(step, self.plan.planned_steps, self.settings))
            self._pending.append(self._sum_over_processes(total) / targets)
            self.progress.step = step

    def _point_of_step(self, step: int, console: Console) -> Point:
        """Return what this step adds to the curves; for most steps nothing."""
        settings, point = self.settings, Point()
        if step % settings.log_every_steps == 0:
            point |= self._training_point()
        if step % settings.validate_every_steps == 0:
            point |= self._validation_point()
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
        if "validation_loss" not in there:
            point |= self._validation_point()
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
        step, seconds = self._last_point
        self._last_point = (progress.step, self.clock.seconds_on("data", "train"))
        tokens = (progress.step - step) * self.settings.batch_size * self.plan.manifest.chunk_tokens
        return {
            "loss": loss,
            "learning_rate": learning_rate(progress.step, self.plan.planned_steps, self.settings),
            "tokens_per_second": round(tokens_per_second(tokens, self._last_point[1] - seconds), 1),
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

    @torch.no_grad()
    def _validation_point(self) -> Point:
        """Return the mean loss per target over the validation rows, and its exponential."""
        with self.clock.on("validate"):
            self.loss.eval()
            total = torch.zeros((), dtype=torch.float64, device=self.accelerator.device)
            targets = 0
            # DDP's own forward would wait for processes that have a batch more or less than this one
            loss = self.accelerator.unwrap_model(self.loss, keep_fp32_wrapper=True)
            for part in self.feed.validation_parts():
                total += loss(*part).double()
                targets += len(part[2])
            self.loss.train()
            mean = float(self._sum_over_processes(total) / self._sum_over_processes(targets).clamp(min=1))
        return {"validation_loss": mean, "perplexity": math.exp(min(mean, MOST_NATS))}

    def _sample_point(self, console: Console) -> Point:
        """Return what the model makes of the prompt; the main process asks it."""
        if not self.accelerator.is_main_process:
            return {}
        with self.clock.on("sample"):
            text = sample(self.model, self.plan.tokenizer, self.plan.objective, self.settings.sample_prompt)
        console.say(f"step {self.progress.step}: {text}")
        return {"sample": text}

    def _sum_over_processes(self, value: Tensor | int) -> Tensor:
        """Return the sum of a number over all processes."""
        tensor = value if isinstance(value, Tensor) else torch.tensor(value, device=self.accelerator.device)
        return self.accelerator.reduce(tensor, "sum") if self.accelerator.num_processes > 1 else tensor

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

    def _save(self, console: Console) -> None:
        """Save a checkpoint, from the main process; the others wait."""
        self._read_losses()
        with self.clock.on("save"):
            if self.accelerator.is_main_process:
                state = asdict(self.progress) | {"seconds": self.progress.seconds + console.seconds}
                model = dict(self.model.named_parameters())
                save_checkpoint(self.plan.run, Checkpoint(self.progress.step, model, self.optimizers.state(), state))
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
        self.optimizers.load(found.optimizer)
        return Progress(**found.state)
