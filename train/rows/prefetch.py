"""Prepare the parts of the next steps in a thread while the device works on this one."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Generic, Self, TypeVar

import torch

T = TypeVar("T")
AHEAD = 2  # steps: one that is ready, and one in the making


class Prefetch(Generic[T]):
    """What `make` returns for each step, in the order in which steps are asked for, made up to `ahead` steps before.

    A step's parts are a function of the step, so the order is that of the caller, and nothing is lost when a run stops.
    On a CPU nothing is made ahead: the thread would take the time from the training itself.
    """

    def __init__(self, make: Callable[[int], T], last: int, device: torch.device, ahead: int | None = None) -> None:
        """Args:
        make: what is wanted of a step.
        last: the step after which nothing is made.
        device: where it is wanted.
        ahead: how many steps before; None for `AHEAD` on a CUDA device, and none elsewhere.
        """
        is_cuda = device.type == "cuda"
        self._make, self._last = make, last
        self._ahead = (AHEAD if is_cuda else 0) if ahead is None else ahead
        self._made: dict[int, Future[T]] = {}
        self._thread: ThreadPoolExecutor | None = None
        if self._ahead:
            started = partial(torch.cuda.set_device, torch.cuda.current_device()) if is_cuda else None
            self._thread = ThreadPoolExecutor(1, "prefetch", started)  # a thread's own device is the machine's first

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the thread; what it was about to make is left."""
        if self._thread:
            self._thread.shutdown(cancel_futures=True)

    def parts(self, step: int) -> T:
        """Return what a step trains on, and have the next ones made.

        Raises:
            Exception: whatever `make` raised, with its own traceback.
        """
        if not self._thread:
            return self._make(step)
        for wanted in range(step, min(step + self._ahead, self._last) + 1):
            if wanted not in self._made:
                self._made[wanted] = self._thread.submit(self._make, wanted)
        return self._made.pop(step).result()
