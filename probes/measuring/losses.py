"""Compute the loss of single tokens: of each next token by a causal model, of hidden ones by a masked model."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probes.measuring.rows import TokenIds
from probes.model import LoadedModel

CACHED = 2**20  # numbers


@torch.inference_mode()
def next_token_losses(loaded: LoadedModel, rows: TokenIds, last: int | None = None) -> NDArray[np.float32]:
    """Return the nats of the `last` tokens of each row, each after all before it: float32 [rows, last].

    Args:
        loaded: a causal model.
        rows: token ids.
        last: how many; None for all but a row's first, which has nothing before it.
    """
    tokens = rows.shape[1]
    last, losses = tokens - 1 if last is None else last, []
    at_a_time = loaded.rows_at_a_time(tokens, last + 1 if loaded.takes("logits_to_keep") else tokens)
    for ids in loaded.tensor(np.ascontiguousarray(rows)).split(at_a_time):
        losses.append(_nats(loaded, loaded.logits(ids, last + 1)[:, -last - 1 : -1], ids[:, -last:]))
    return torch.cat(losses).numpy()


@torch.inference_mode()
def hidden_token_losses(loaded: LoadedModel, rows: TokenIds, hidden: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the nats of each hidden token, all of a row hidden at once: float32 [hidden tokens], row by row.

    Args:
        loaded: a masked model.
        rows: token ids.
        hidden: bool, of the shape of `rows`.
    """
    return torch.cat([_nats(loaded, logits, ids) for logits, ids in hidden_logits(loaded, rows, hidden)]).numpy()


def hidden_logits(loaded: LoadedModel, rows: TokenIds, hidden: NDArray[np.bool_]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the logits [tokens, vocabulary] at hidden tokens and the ids that stand there, row by row, in batches.

    A masked model sees its mask token at the hidden places of a row, all at once; a causal one the true text before
    each.

    Args:
        loaded: a model of either kind.
        rows: token ids.
        hidden: bool, of the shape of `rows`; of a causal model's rows never the first token.
    """
    batch = loaded.rows_at_a_time(rows.shape[1], int(hidden.sum(axis=1).max()))
    parts = zip(loaded.tensor(rows).split(batch), loaded.tensor(hidden, torch.bool).split(batch), strict=True)
    for ids, places in parts:
        if loaded.kind == "masked":
            yield loaded.logits_at(ids.masked_fill(places, loaded.mask_id), places), ids[places]
        else:
            yield loaded.logits_at(ids, places.roll(-1, dims=1)), ids[places]


def _nats(loaded: LoadedModel, logits: Tensor, ids: Tensor) -> Tensor:
    logits = loaded.ranked(logits)
    # As log_softmax has it, without a second tensor of the size of the logits, and in pieces that a core's cache holds.
    pieces = logits.split(max(1, CACHED // max(1, logits[..., :1, :].numel())), dim=-2)
    norms = torch.cat([piece.logsumexp(-1) for piece in pieces], dim=-1)
    return (norms - logits.gather(-1, ids[..., None])[..., 0]).cpu()
