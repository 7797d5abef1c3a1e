"""Score many texts that begin alike by a causal model: what they have in common is read once."""

import copy
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from probes.model import LoadedModel, rows_at_a_time


@dataclass(frozen=True)
class Beginning:
    """Tokens that texts begin with, read once."""

    ids: tuple[int, ...]
    log_probability: float  # of the tokens after the first, in nats
    following: Tensor  # float32 [vocabulary]: log-probabilities of the next token
    cache: Any  # keys and values of `ids`; None where the model keeps none that can be copied for several texts


def read_beginning(loaded: LoadedModel, ids: Sequence[int]) -> Beginning:
    """Read the tokens that all texts begin with, int [tokens], at least one."""
    asked = {"use_cache": True} if loaded.takes("use_cache") else {}
    with torch.inference_mode():
        out = loaded.model(input_ids=loaded.tensor([list(ids)]), **asked)
        logs = loaded.ranked(out.logits[0]).log_softmax(-1)
        known = logs[:-1].gather(-1, loaded.tensor(ids[1:])[:, None]).sum()
    cache: Any = getattr(out, "past_key_values", None)
    # Only plain keys and values are sure to mean the same when they are repeated; states of Mamba and its kin are not.
    if type(cache) is not DynamicCache or not all(type(layer) is DynamicLayer for layer in cache.layers):
        cache = None
    return Beginning(tuple(ids), float(known), logs[-1].cpu(), cache)


def score_endings(loaded: LoadedModel, beginning: Beginning, endings: Sequence[Sequence[int]]) -> list[Tensor]:
    """Return the log-probability of each token of each ending, after `beginning` and the tokens before it.

    Args:
        loaded: a causal model.
        beginning: what all texts begin with.
        endings: the other tokens of each text, at least one.

    Returns:
        For each ending float32 [its tokens], in nats.
    """
    scores: list[Tensor] = [beginning.following[list(ending[:1])] for ending in endings]
    by_length = defaultdict(list)  # texts of equal length need no padding, which positions would have to leave out
    for number, ending in enumerate(endings):
        by_length[len(ending)].append(number)
    by_length.pop(1, None)
    for length, numbers in by_length.items():
        rows = _rows_at_a_time(loaded.device, beginning, length)
        for start in range(0, len(numbers), rows):
            batch = numbers[start : start + rows]
            rest = _score(loaded, beginning, [endings[n] for n in batch])
            for n, logs in zip(batch, rest, strict=True):
                scores[n] = torch.cat([scores[n], logs])
    return scores


def _rows_at_a_time(device: torch.device, beginning: Beginning, length: int) -> int:
    numbers = (length - 1) * len(beginning.following)
    if beginning.cache is None:
        numbers += len(beginning.ids) * len(beginning.following)
    else:
        numbers = max(numbers, sum(layer.keys.numel() + layer.values.numel() for layer in beginning.cache.layers))
    return rows_at_a_time(device, numbers)


def _score(loaded: LoadedModel, beginning: Beginning, endings: Sequence[Sequence[int]]) -> Tensor:
    """float32 [texts, tokens - 1]: log-probabilities of the tokens of endings of equal length, but the first."""
    ids = loaded.tensor([list(ending) for ending in endings])
    with torch.inference_mode():
        if beginning.cache is None:
            ahead = loaded.tensor([list(beginning.ids)]).expand(len(ids), -1)
            logits = loaded.model(input_ids=torch.cat([ahead, ids[:, :-1]], dim=1)).logits[:, ahead.shape[1] :]
        else:
            cache = copy.deepcopy(beginning.cache)
            cache.batch_repeat_interleave(len(ids))
            logits = loaded.model(input_ids=ids[:, :-1], past_key_values=cache, use_cache=True).logits
        real = logits[..., : loaded.vocab_size].float()
        logs = real.log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
        if logs.isnan().any():  # looked for in what is asked of the logits, which are thousands of times as many
            loaded.ranked(logits)
        return logs.cpu()
