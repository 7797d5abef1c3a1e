"""Compute the loss of single tokens: of each next token by a causal model, of hidden ones by a masked model."""

import numpy as np
import torch
from numpy.typing import NDArray

from probes.measuring.rows import TokenIds
from probes.model import LoadedModel

LOGITS_AT_A_TIME = 2**25  # 128 MiB of float32


@torch.inference_mode()
def next_token_losses(loaded: LoadedModel, rows: TokenIds) -> NDArray[np.float32]:
    """Return the nats of each token after those before it: float32 [rows, tokens - 1], the first token aside."""
    losses = []
    for ids in torch.from_numpy(np.ascontiguousarray(rows)).split(_batch(loaded, rows.shape[1])):
        ids = ids.to(loaded.model.device)
        logits = loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, :-1]
        losses.append(_nats(loaded, logits, ids[:, 1:]))
    return torch.cat(losses).numpy()


@torch.inference_mode()
def hidden_token_losses(loaded: LoadedModel, rows: TokenIds, hidden: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the nats of each hidden token, all of a row hidden at once: float32 [hidden tokens], row by row.

    Args:
        loaded: a masked model.
        rows: token ids.
        hidden: bool, of the shape of `rows`.
    """
    batch, losses = _batch(loaded, rows.shape[1]), []
    parts = zip(torch.from_numpy(rows).split(batch), torch.from_numpy(hidden).split(batch), strict=True)
    for ids, places in parts:
        ids, places = ids.to(loaded.model.device), places.to(loaded.model.device)
        shown = ids.masked_fill(places, loaded.tokenizer.mask_token_id)
        logits = loaded.model(input_ids=shown, attention_mask=torch.ones_like(ids)).logits[places]
        losses.append(_nats(loaded, logits, ids[places]))
    return torch.cat(losses).numpy()


def _batch(loaded: LoadedModel, tokens: int) -> int:
    """Return how many rows of `tokens` a forward pass takes."""
    return max(1, LOGITS_AT_A_TIME // (tokens * int(loaded.model.config.vocab_size)))


def _nats(loaded: LoadedModel, logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    return -loaded.ranked(logits).log_softmax(-1).gather(-1, ids[..., None])[..., 0].cpu()
