"""Give each process its part of a batch, as tensors on its device."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from train.batch import VALIDATION_EPOCH, Ints, Masking, TrainingBatch, causal_batch, share
from train.plan import Plan
from wikilm.shards import Manifest, SplitRows

DEFAULT = ""  # the name of the validation rows that are in the shards that a run trains on
Inputs: TypeAlias = tuple[Tensor, Tensor, Tensor]  # input_ids, positions, targets, as SummedLoss.forward takes them


class Feed:
    """Rows of both splits, cut for one process of several."""

    def __init__(self, plan: Plan, process: int, processes: int, device: torch.device) -> None:
        self._plan, self._process, self._processes, self._device = plan, process, processes, device
        self._train = plan.shards.rows("train")
        self._validation = {
            name: shards.rows("validation") for name, shards in ((DEFAULT, plan.shards), *plan.validation.items())
        }
        self._masking = _masking(plan.masked_fraction, plan.settings.seed, plan.manifest)

    def training_parts(self, step: int) -> list[Inputs]:
        """Return the parts of a training step, one for each of `gradient_accumulation`."""
        epochs, indices = self._plan.order.rows_of_step(step)
        cut = (self._process, self._processes, self._plan.settings.gradient_accumulation)
        parts = zip(share(epochs, *cut), share(indices, *cut), strict=True)
        return [self._inputs(self._train, epoch, index) for epoch, index in parts]

    def validation_parts(self, name: str = DEFAULT) -> Iterator[Inputs]:
        """This process's batches of the validation rows of a set: the same rows with the same masks every time."""
        rows = self._validation[name]
        total, limit = len(rows), self._plan.settings.validation_rows
        chosen = np.arange(total, dtype=np.int64)
        if limit is not None and limit < total:
            chosen = chosen[:limit] * total // limit  # spread over the whole split
        mine = chosen[self._process :: self._processes]
        settings = self._plan.settings  # no more rows at a time than a part of a training step has
        size = max(1, settings.batch_size // (self._processes * settings.gradient_accumulation))
        for start in range(0, len(mine), size):
            indices = mine[start : start + size]
            yield self._inputs(rows, np.full_like(indices, VALIDATION_EPOCH), indices)

    def _inputs(self, rows: SplitRows, epochs: Ints, indices: Ints) -> Inputs:
        ids = rows.take(indices)
        return self._move(causal_batch(ids) if self._masking is None else self._masking.batch(ids, epochs, indices))

    def _move(self, batch: TrainingBatch) -> Inputs:
        tensors = [
            torch.from_numpy(np.ascontiguousarray(part)) for part in (batch.input_ids, batch.positions, batch.targets)
        ]
        if self._device.type == "cuda":  # pinned, so that the copy runs beside the GPU's work on the step before
            tensors = [tensor.pin_memory().to(self._device, non_blocking=True) for tensor in tensors]
        input_ids, positions, targets = tensors
        return input_ids, positions, targets


def _masking(fraction: float | None, seed: int, manifest: Manifest) -> Masking | None:
    if fraction is None:
        return None
    tokenizer = manifest.tokenizer
    return Masking(fraction, seed, tokenizer.vocab_size, tokenizer.mask_id, tokenizer.end_of_text_id)
