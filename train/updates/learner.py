"""Hold a model with all that changes its weights, and learn from one batch at a time."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import torch
from accelerate import Accelerator
from torch import Tensor
from transformers import PreTrainedModel

from train.hosts.agreement import sum_over_processes
from train.model import SummedLoss, backend
from train.model.first_model import first_model
from train.plan import mix
from train.rows import Part
from train.updates.average import Average
from train.updates.loss_scale import LossScale
from train.updates.optimizer import Optimizers, learning_rate

if TYPE_CHECKING:
    from train.plan import Plan


class Learner:
    """The weights of a run, in one process of several."""

    def __init__(self, plan: "Plan", accelerator: Accelerator) -> None:
        """Make the model that the run begins with, and its optimizers."""
        self._plan, self._settings, self._accelerator = plan, plan.settings, accelerator
        self.model = first_model(plan)
        self.model.to(accelerator.device).train()
        self.optimizers = Optimizers(self.model, plan.settings)
        self.average = Average(self.model, plan.settings.ema_decay)
        self.scale = LossScale(accelerator.scaler, self.optimizers)
        compiler = backend(plan.settings.compile, accelerator.device)
        self.is_compiled = compiler is not None
        self.loss = accelerator.prepare_model(SummedLoss(self.model, plan.objective, compiler, plan.left_out))

    def learn(self, step: int, parts: Sequence[Part]) -> tuple[Tensor, bool]:
        """Learn from a batch: forward, backward, update.

        Args:
            step: from 1; the learning rate follows from it, and what dropout drops.
            parts: this process's share of the batch.

        Returns:
            The mean loss of the batch's targets over all processes, [] on the device, and whether the weights were
            updated: in fp16 they are not where a gradient was too large.
        """
        accelerator, settings = self._accelerator, self._settings
        # Dropout is a function of (seed, step, process) as well: a resumed run drops what an undisturbed one drops.
        torch.manual_seed(int(mix(mix(settings.seed, step), accelerator.process_index)) % 2**63)
        targets = sum_over_processes(accelerator, sum(part.targets for part in parts)).clamp(min=1)
        total = torch.zeros((), device=accelerator.device)
        for number, part in enumerate(parts, start=1):
            last = number == len(parts)
            with nullcontext() if last else accelerator.no_sync(self.loss):
                loss = self.loss(*part.inputs)
                # DDP takes the mean of the processes' gradients; what is wanted is the mean over all targets
                self.scale.scaled(loss * accelerator.num_processes / targets).backward()
            total += loss.detach()
        self.scale.unscale()
        if settings.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip_norm)
        updated = self.scale.update(learning_rate(step, self._plan.planned_steps, settings))
        if updated:
            self.average.update(step)
        return sum_over_processes(accelerator, total) / targets, updated

    @contextmanager
    def outcome(self) -> Iterator[PreTrainedModel]:
        """Give the model, while the block runs, with the weights to validate, to sample, to keep and to export."""
        with self.average.in_place():
            yield self.model

    def loss_of(self, model: PreTrainedModel) -> SummedLoss:
        """Return the loss of the model that `outcome` gives, without what waits for other processes."""
        return self._accelerator.unwrap_model(self.loss, keep_fp32_wrapper=True)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return all that a checkpoint holds, by name: the weights, and what updates them."""
        return named_weights(self.model), self.optimizers.state() | self.average.state()

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor], updates: Mapping[str, Tensor]) -> None:
        """Load what `state` returned."""
        for name, parameter in self.model.named_parameters():
            parameter.copy_(weights[name])
        self.optimizers.load(self.average.load(updates))


def named_weights(model: PreTrainedModel) -> dict[str, Tensor]:
    """Return the parameters by name, tied ones once."""
    return dict(model.named_parameters())
