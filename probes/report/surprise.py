"""Read rows token by token, and say how surprising each token is to a causal model, and what it expected instead."""

import numpy as np
import torch
from numpy.typing import NDArray

from probes.generation import top
from probes.model import LoadedModel
from probes.report.story import Choice, Place, Read, Reading

SHOWN = 5  # tokens that the model expected instead


def read_row(loaded: LoadedModel, row: NDArray[np.int64], tokens: int, place: Place) -> Reading:
    """Read the first `tokens` ids of a row, int64 [chunk_tokens], as it stood there in training."""
    ids = row[: min(tokens, loaded.positions or tokens)]
    with torch.inference_mode():
        logits = loaded.ranked(loaded.model(input_ids=loaded.tensor(ids)[None]).logits[0])
    logs = logits.log_softmax(-1)
    read = [Read(int(ids[0]), loaded.show(int(ids[0])), None, ())]
    for before, token in enumerate(ids[1:].tolist()):
        expected = tuple(Choice(one.id, one.token, one.probability) for one in top(loaded, logits[before], SHOWN))
        read.append(Read(token, loaded.show(token), float(logs[before, token].exp()), expected))
    loss = -float(logs[:-1].gather(1, loaded.tensor(ids[1:, None])).mean())
    return Reading(place, loss, tuple(read))
