"""Let a model's head see the vectors of some places alone: most of a small model's work is its vocabulary's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor


@contextmanager
def only_at(model: Any, places: Tensor) -> Iterator[None]:
    """Hand the vectors of some places alone to the layer that gives logits, as a single text of just those tokens.

    That layer computes each place on its own, so leaving others out changes nothing. Where a model names no such layer,
    or gives it something other than a vector for each token, its logits are those of all places.

    Args:
        model: a transformers model with a language-model head.
        places: bool [texts, tokens], of the texts that it is asked about.
    """

    def choose(_: Any, given: tuple[Any, ...]) -> Any:
        if not given or given[0].shape[:-1] != places.shape:
            return None
        return given[0][places][None], *given[1:]

    layer = model.get_output_embeddings()
    if layer is None:
        yield
        return
    hook = layer.register_forward_pre_hook(choose)
    try:
        yield
    finally:
        hook.remove()
