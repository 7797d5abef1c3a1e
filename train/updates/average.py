"""Keep an exponential moving average of a model's weights, and lend it to the model for a while.

An average of the last steps is a better model than the last one while the rate is high (Polyak and Juditsky 1992; as an
exponential average: Tarvainen and Valpola 2017).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from train.model import part_of

KEY = "/average"  # after a parameter's name, in a checkpoint


class Average:
    """The average of a model's weights over the steps, in fp32; nothing where there is no decay."""

    def __init__(self, model: nn.Module, decay: float | None) -> None:
        self._decay = decay
        self._parameters = {} if decay is None else dict(model.named_parameters())
        self._averages = {name: parameter.detach().clone() for name, parameter in self._parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the weights after step `step` (from 1)."""
        if self._decay is not None:
            move = get_ema_multi_avg_fn(decay_of(step, self._decay))
            move(list(self._averages.values()), list(self._parameters.values()), step)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Have the model compute with the average while the block runs."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def by_name(self) -> Mapping[str, Tensor]:
        """The averages by the names of their parameters; none where there is no decay."""
        return self._averages

    def state(self) -> dict[str, Tensor]:
        """`parameter name/average` -> tensor."""
        return {f"{name}{KEY}": average for name, average in self._averages.items()}

    def load(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Load what `state` returned out of a larger mapping; return the rest of it."""
        self._averages = {name: part_of(state[f"{name}{KEY}"], average) for name, average in self._averages.items()}
        return {name: tensor for name, tensor in state.items() if not name.endswith(KEY)}

    def _exchange(self) -> None:
        for name, parameter in self._parameters.items():
            parameter.data, self._averages[name] = self._averages[name], parameter.data


def decay_of(step: int, decay: float) -> float:
    """Return how much of the average is left at a step: less at first, when it is of few steps.

    As `tf.train.ExponentialMovingAverage` does with its `num_updates`: untrained weights would stay in it for thousands
    of steps otherwise.
    """
    return min(decay, (1 + step) / (10 + step))
