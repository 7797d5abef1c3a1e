"""Save checkpoints beside the training, where it runs on a GPU."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from train.saved.checkpoint import Checkpoint, save_checkpoint


class Saver:
    """Writes the checkpoints of a run, one at a time.

    From a GPU a checkpoint is copied to the CPU, and a thread writes it while the next steps run. On a CPU the write is
    waited for: a copy would double the memory, and the thread would take the time from the training.
    """

    def __init__(self, run: Path, device: torch.device, beside: bool | None = None) -> None:
        """Args:
        run: folder of the checkpoints.
        device: what is trained on.
        beside: whether a thread writes them; None where `device` is a CUDA device.
        """
        self._run = run
        threaded = device.type == "cuda" if beside is None else beside
        self._thread = ThreadPoolExecutor(1, "save") if threaded else None
        self._writing: Future[Path] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the last write; its error is raised, unless another one has ended the run already."""
        if self._thread:
            self._thread.shutdown()
        if error is None:
            self.join()

    def save(self, checkpoint: Checkpoint) -> None:
        """Save a checkpoint, of which later updates change nothing, once the one before is on the disk.

        Raises:
            OSError: it, or the one before, cannot be written.
        """
        self.join()
        if self._thread:
            self._writing = self._thread.submit(save_checkpoint, self._run, copied(checkpoint))
        else:
            save_checkpoint(self._run, checkpoint)

    def join(self) -> None:
        """Wait until the last checkpoint is on the disk.

        Raises:
            OSError: it cannot be written.
        """
        writing, self._writing = self._writing, None
        if writing:
            writing.result()

    def check(self) -> None:
        """Raise what a write has failed with, if it has; do not wait for one that is under way."""
        if self._writing and self._writing.done():
            self.join()


def copied(checkpoint: Checkpoint) -> Checkpoint:
    """Return the same checkpoint in tensors of its own on the CPU; waits for the device once, for all of them."""
    model = {name: _on_cpu(tensor) for name, tensor in checkpoint.model.items()}
    optimizer = {name: _on_cpu(tensor) for name, tensor in checkpoint.optimizer.items()}
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return replace(checkpoint, model=model, optimizer=optimizer)


def _on_cpu(tensor: Tensor) -> Tensor:
    is_cuda = tensor.device.type == "cuda"
    copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=is_cuda)
    return copy.copy_(tensor.detach(), non_blocking=is_cuda)
