"""Give each process its part of a batch, as tensors on its device."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from torch import Tensor

from train.plan import VALIDATION_EPOCH, Ints, Masking, TrainingBatch, causal_batch, filled_up, share

if TYPE_CHECKING:
    from train.plan import Plan
    from wikilm.shards import SplitRows

DEFAULT = ""  # the name of the validation rows that are in the shards that a run trains on
Inputs: TypeAlias = tuple[Tensor, Tensor, Tensor]  # input_ids, positions, targets, as SummedLoss.forward takes them


@dataclass(frozen=True)
class Part:
    """What a model is given at once, and what its loss is divided by."""

    inputs: Inputs
    targets: int  # that count, those aside that only fill a shape


class Feed:
    """Rows of both splits, cut for one process of several."""

    def __init__(
        self, plan: "Plan", process: int, processes: int, device: torch.device, *, one_shape: bool = False
    ) -> None:
        """Args:
        plan: rows, batch size and seed.
        process: which of the processes this is, from 0.
        processes: how many share each batch.
        device: where the tensors go.
        one_shape: fill all parts up to the size of the largest, as a compiled model wants them.
        """
        self._plan, self._process, self._processes, self._device = plan, process, processes, device
        self._train = plan.shards.rows("train")
        self._validation = {
            name: shards.rows("validation") for name, shards in ((DEFAULT, plan.shards), *plan.validation.items())
        }
        self._masking = _masking(plan)
        pieces = processes * plan.settings.gradient_accumulation
        self._most_rows = -(-plan.settings.batch_size // pieces) if one_shape else None

    def training_parts(self, step: int) -> list[Part]:
        """Return the parts of a training step, one for each of `gradient_accumulation`."""
        epochs, indices = self._plan.order.rows_of_step(step)
        cut = (self._process, self._processes, self._plan.settings.gradient_accumulation)
        parts = zip(share(epochs, *cut), share(indices, *cut), strict=True)
        return [self._part(self._train, epoch, index) for epoch, index in parts]

    def validation_parts(self, name: str = DEFAULT) -> Iterator[Part]:
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
            yield self._part(rows, np.full_like(indices, VALIDATION_EPOCH), indices)

    def _part(self, rows: "SplitRows", epochs: Ints, indices: Ints) -> Part:
        ids = rows.take(indices)
        batch = causal_batch(ids) if self._masking is None else self._masking.batch(ids, epochs, indices)
        count = len(batch.targets)
        if self._most_rows is not None:
            batch = filled_up(batch, self._most_rows, self._capacity(ids.shape[1], count))
        return Part(self._move(batch), count)

    def _capacity(self, tokens: int, chosen: int) -> int:
        """Return the targets that parts of `_most_rows` rows of so many tokens are filled up to."""
        assert self._most_rows is not None
        if self._masking is None:
            return self._most_rows * (tokens - 1)
        return self._masking.capacity(self._most_rows * tokens, chosen)

    def _move(self, batch: TrainingBatch) -> Inputs:
        tensors = [
            torch.from_numpy(np.ascontiguousarray(part)) for part in (batch.input_ids, batch.positions, batch.targets)
        ]
        if self._device.type == "cuda":  # pinned, so that the copy is made beside the GPU's work, and not waited for
            tensors = [tensor.pin_memory().to(self._device, non_blocking=True) for tensor in tensors]
        input_ids, positions, targets = tensors
        return input_ids, positions, targets


def _masking(plan: "Plan") -> Masking | None:
    if plan.masked_fraction is None:
        return None
    return Masking(
        fraction=plan.masked_fraction,
        seed=plan.settings.seed,
        vocab_size=plan.manifest.tokenizer.vocab_size,
        mask_id=plan.manifest.tokenizer.mask_id,
        end_of_text_id=plan.manifest.tokenizer.end_of_text_id,
        predict_all=plan.left_out is not None,
    )
