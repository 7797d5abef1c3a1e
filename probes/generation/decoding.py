"""Continue many texts at once, token by token, with the model's cache.

Texts of different lengths stand side by side with padding on their left, which is neither seen nor counted among the
positions: each is continued as if it were alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

import torch
from torch import Tensor

from probes.model import LoadedModel, by_memory, rows_at_a_time

# Called with all ids so far [rows, tokens] and the logits of the next [rows, vocabulary]; gives int64 [rows].
Choose = Callable[[Tensor, Tensor], Tensor]
CACHES = ("past_key_values", "cache_params", "state")  # what models call their cache: attention, Mamba, RWKV
T = TypeVar("T")


@dataclass(frozen=True)
class Batch:
    """Texts of one batch, padded on the left to one length."""

    numbers: tuple[int, ...]  # which of all texts they are
    ids: Tensor  # int64 [rows, tokens]
    seen: Tensor  # int64 [rows, tokens]: 1 for a token of the text, 0 for padding


def continue_rows(loaded: LoadedModel, rows: Any, tokens: int, batch_rows: int) -> Tensor:
    """Add `tokens` ids to every row of `rows`, each the likeliest next one.

    End-of-text is an id like any other here: packed rows continue after it.

    Args:
        loaded: a causal model.
        rows: int64 [rows, prefix], an array or a tensor.
        tokens: how many ids to add.
        batch_rows: rows computed at a time; fewer where memory does not hold them.

    Returns:
        int64 [rows, tokens], on the model's device.
    """
    given = loaded.tensor(rows)

    def compute(part: slice) -> Tensor:
        ids = given[part]
        return decode(loaded, ids, torch.ones_like(ids), tokens, lambda _, logits: logits.argmax(-1))

    return torch.cat([given.new_empty((0, tokens)), *by_memory(len(given), batch_rows, compute)])


def decode(
    loaded: LoadedModel, ids: Tensor, seen: Tensor, limit: int, choose: Choose, ends: Sequence[int] = ()
) -> Tensor:
    """Continue each row of `ids` by `limit` ids, or until all rows have had one of `ends`.

    Args:
        loaded: a causal model.
        ids: int64 [rows, tokens], padded on the left.
        seen: the same shape, 1 for a token and 0 for padding.
        limit: how many ids to add at most.
        choose: chooses the next id of each row, by logits in float32 in which ids that stand for nothing are at minus
            infinity.
        ends: ids after which a text has ended; what follows one in a row means nothing.

    Returns:
        int64 [rows, at most `limit`].
    """
    is_masked, is_placed = takes_mask(loaded), loaded.takes("position_ids") and not bool(seen.all())
    given, rows = ids.shape[1], len(ids)
    ids = torch.cat([ids, ids.new_zeros(rows, limit)], dim=1)
    seen = torch.cat([seen, seen.new_ones(rows, limit)], dim=1)
    places = (seen.cumsum(1) - 1).clamp(min=0)
    cache_name = next((name for name in CACHES if loaded.takes(name)), None)
    options: dict[str, Any] = {"logits_to_keep": 1} if loaded.takes("logits_to_keep") else {}
    stops, ended = loaded.tensor(list(ends)), torch.zeros(rows, dtype=torch.bool, device=ids.device)
    start = 0
    with torch.inference_mode():
        for end in range(given, given + limit):
            if is_masked:  # also where all is seen: some models take the end of a text for padding
                options["attention_mask"] = seen[:, :end]
            if is_placed:
                options["position_ids"] = places[:, start:end]
            out = loaded.model(input_ids=ids[:, start:end], **options)
            if cache_name is not None and (cache := getattr(out, cache_name, None)) is not None:
                options[cache_name], start = cache, end
            ids[:, end] = choose(ids[:, :end], loaded.ranked(out.logits[:, -1]))
            if ends:
                ended |= torch.isin(ids[:, end], stops)
                if bool(ended.all()):
                    return ids[:, given : end + 1]
    return ids[:, given:]


def takes_mask(loaded: LoadedModel) -> bool:
    """Whether the model can be told what is padding. One that keeps a state, as Mamba, has read it already."""
    return not loaded.model._is_stateful and loaded.takes("attention_mask")


def can_pad(loaded: LoadedModel) -> bool:
    """Whether texts of different lengths can stand in a batch and be continued as each is alone."""
    # Positions that RoBERTa and its kin count from the padding id are theirs to count.
    return takes_mask(loaded) and loaded.takes("past_key_values") and not loaded.reserved_positions


def in_batches(
    loaded: LoadedModel, texts: Sequence[Sequence[int]], limit: int, compute: Callable[[Batch], Sequence[T]]
) -> list[T]:
    """Compute a result for each text, in batches of similar lengths that memory holds.

    Args:
        loaded: a causal model.
        texts: ids, at least one in each.
        limit: how many ids will be added.
        compute: gives one result for each row of a batch; called again with fewer rows where memory runs out.
    """
    results: dict[int, T] = {}
    for batch, computed in _computed(loaded, texts, limit, compute):
        results |= dict(zip(batch.numbers, computed, strict=True))
    return [results[number] for number in range(len(texts))]


def _computed(
    loaded: LoadedModel, texts: Sequence[Sequence[int]], limit: int, compute: Callable[[Batch], Sequence[T]]
) -> Iterator[tuple[Batch, Sequence[T]]]:
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    groups = [order] if can_pad(loaded) else [list(g) for _, g in groupby(order, key=lambda number: len(texts[number]))]
    for group in groups:
        if group:
            longest = len(texts[group[-1]]) + limit
            at_a_time = rows_at_a_time(loaded.device, longest * max(loaded.output_size, loaded.cached_numbers))

            def run(part: slice, group: list[int] = group) -> tuple[Batch, Sequence[T]]:
                batch = _padded(loaded, texts, group[part])
                return batch, compute(batch)

            yield from by_memory(len(group), at_a_time, run)


def _padded(loaded: LoadedModel, texts: Sequence[Sequence[int]], numbers: Sequence[int]) -> Batch:
    length = max(len(texts[number]) for number in numbers)
    padding = [length - len(texts[number]) for number in numbers]
    ids = [[0] * n + list(texts[number]) for n, number in zip(padding, numbers, strict=True)]
    seen = [[0] * n + [1] * (length - n) for n in padding]
    return Batch(tuple(numbers), loaded.tensor(ids), loaded.tensor(seen))
