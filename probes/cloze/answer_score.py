"""Score how likely a model finds the answer to a blank, as a whole, and how many tokens it finds likelier."""

from dataclasses import dataclass

import torch
from torch import Tensor

from probes.generation import top
from probes.model import LoadedModel
from probes.records import Count, Fraction, Nats
from probes.settings import MASK
from wikilm.errors import RunError

READINGS = {
    "masked": "both sides are read; of an answer of several tokens each is read with those before it",
    "left": "the left side alone is read, and of an answer of several tokens each with those before it",
}
GUESSED = 5


@dataclass(frozen=True)
class Guess:
    """A token that the model would put into a blank."""

    token: str
    probability: Fraction


@dataclass(frozen=True)
class Answer:
    """What a model thinks of the answer to one blank."""

    ids: tuple[int, ...]  # the answer's tokens where it stands
    left: int  # id of the token before it; -1 at the start of a text
    right: int  # id of the token behind it; -1 at its end
    nats: Nats  # of the whole answer
    rank: Count  # 1 and the tokens that are at least as likely as the whole answer, itself aside
    guesses: tuple[Guess, ...]  # the likeliest tokens


@torch.inference_mode()
def score_answer(loaded: LoadedModel, text: str, answer: str, where: str) -> Answer:
    """Score the answer to the one `[MASK]` of `text`.

    The whole text is encoded with the answer in it and cut by its offsets, so that every tokenizer makes the pieces
    that it makes of such a text. A masked model reads both sides: an answer of several tokens gets as many masks, which
    are filled from left to right (Kauf and Ivanova 2023, arXiv:2305.10588, within a word). A causal model reads the
    left side. Other tokens compete with the whole answer: a token is likelier where its own probability is higher.

    Raises:
        UsageError: more tokens than the model has positions; `where` names the text.
        RunError: a masked model whose tokenizer has no mask token, or an answer that no token stands for.
    """
    start = text.index(MASK)
    encoded = loaded.encode(text.replace(MASK, answer, 1))
    first, last = encoded.cut(start, start + len(answer))
    ids, own = list(encoded.ids), [-1 if new else token for token, new in zip(encoded.ids, encoded.added, strict=True)]
    loaded.check_length(len(ids), where)
    if first == last:
        raise RunError(f"{where}: no token of {loaded.name} stands for the answer {answer!r}")
    logs, blank = (_masked if loaded.kind == "masked" else _left)(loaded, ids, first, last)
    competing = int((blank.log_softmax(-1) >= logs.sum()).sum())
    return Answer(
        ids=tuple(ids[first:last]),
        left=own[first - 1] if first else -1,
        right=own[last] if last < len(own) else -1,
        nats=max(0.0, -float(logs.sum())),
        rank=competing if last - first == 1 else competing + 1,
        guesses=tuple(Guess(one.token, one.probability) for one in top(loaded, blank, GUESSED)),
    )


def _masked(loaded: LoadedModel, ids: list[int], first: int, last: int) -> tuple[Tensor, Tensor]:
    """Return the log-probability of each token of the answer, and the logits at a blank of one token."""
    mask = loaded.mask_id
    hidden = [[*ids[:place], *[mask] * (last - place), *ids[last:]] for place in range(first, last)]
    steps = torch.arange(last - first, device=loaded.device)
    given = loaded.tensor(hidden)
    places = torch.zeros_like(given, dtype=torch.bool)
    places[steps, first + steps] = True
    at = loaded.ranked(loaded.logits_at(given, places))
    if last - first == 1:
        single = at[0]
    else:
        single = loaded.ranked(loaded.logits(loaded.tensor([[*ids[:first], mask, *ids[last:]]]))[0, first])
    return at.log_softmax(-1)[steps, loaded.tensor(ids[first:last])], single


def _left(loaded: LoadedModel, ids: list[int], first: int, last: int) -> tuple[Tensor, Tensor]:
    """Return the same by what stands to the left."""
    given = ids[: last - 1] if first else [loaded.start_id, *ids[: last - 1]]
    logits = loaded.ranked(loaded.logits(loaded.tensor([given]))[0, -(last - first) :])
    steps = torch.arange(last - first, device=logits.device)
    return logits.log_softmax(-1)[steps, loaded.tensor(ids[first:last])], logits[0]
