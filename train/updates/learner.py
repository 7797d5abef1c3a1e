"""Hold a model with all that changes its weights, and learn from one batch at a time."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import torch
from accelerate import Accelerator
from torch import Tensor
from transformers import PreTrainedModel

from train.hosts.agreement import sum_over_processes
from train.hosts.sharding import Sharding
from train.model import SummedLoss, backend, gathered, part_of, shard
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

    def __init__(self, plan: "Plan", accelerator: Accelerator, sharding: Sharding | None = None) -> None:
        """Make the model that the run begins with, and its optimizers.

        Args:
            plan: of the run.
            accelerator: of this process, on its device.
            sharding: how processes share the parameters out; None where each has all of them.
        """
        self._plan, self._settings, self._accelerator = plan, plan.settings, accelerator
        self.is_sharded = sharding is not None
        self.model = first_model(plan).train()
        compiler = None if sharding else backend(plan.settings.compile, accelerator.device)
        self.is_compiled = compiler is not None
        if not sharding:  # where they share the parameters out, a block at a time goes to the device
            self.model.to(accelerator.device)
        self.loss = SummedLoss(self.model, plan.objective, compiler, plan.left_out)
        if sharding:
            self._hollow = shard(self.loss, accelerator.device, accelerator.num_processes, *sharding)
            accelerator.prepare_model(self.loss, evaluation_mode=True)  # has it compute in mixed precision
        else:
            self.loss = accelerator.prepare_model(self.loss)
        self.optimizers = Optimizers(self.model, plan.settings)
        self.average = Average(self.model, plan.settings.ema_decay)
        self.scale = LossScale(accelerator.scaler, self.optimizers)

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
            with nullcontext() if last or self.is_sharded else accelerator.no_sync(self.loss):
                loss = self.loss(*part.inputs)
                # DDP and FSDP take the mean of the processes' gradients; what is wanted is the mean over all targets
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
        """Give the model, while the block runs, with the weights to validate, to sample, to keep and to export.

        Where processes share the parameters out, each gets a whole model, and all have to ask at once.
        """
        if self.is_sharded:
            weights = self.average.by_name() or named_weights(self.model)
            yield self._hollow.filled(weights, self._accelerator.device)
        else:
            with self.average.in_place():
                yield self.model

    def loss_of(self, model: PreTrainedModel) -> SummedLoss:
        """Return the loss of the model that `outcome` gives; computing it waits for no other process."""
        if self.is_sharded:
            return SummedLoss(model, self._plan.objective, left_out=self._plan.left_out)
        return self._accelerator.unwrap_model(self.loss, keep_fp32_wrapper=True)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return all that a checkpoint holds, whole, by name: the weights, and what updates them.

        All processes have to ask at once; where they share the parameters out, the main one alone gets what is whole.
        """
        wanted = self._accelerator.is_main_process
        weights = gathered(named_weights(self.model), wanted=wanted)
        return weights, gathered(self.optimizers.state() | self.average.state(), wanted=wanted)

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor], updates: Mapping[str, Tensor]) -> None:
        """Load what `state` returned."""
        for name, parameter in self.model.named_parameters():
            parameter.copy_(part_of(weights[name], parameter))
        self.optimizers.load(self.average.load(updates))


def named_weights(model: PreTrainedModel) -> dict[str, Tensor]:
    """Return the parameters by name, tied ones once."""
    return dict(model.named_parameters())
