"""Tell for every token of a text how surprising it is to a model."""

import math
from dataclasses import dataclass

from probes.likelihood.predictions import Predictions, predict, predict_masked
from probes.model import LoadedModel
from probes.output import quoted, table
from probes.records import Count, Fraction, Nats
from wikilm.errors import UsageError
from wikilm.terminal import visible

HOW = {
    "causal": "each token after those to its left",
    "masked": "each token with all others in sight: pseudo-log-likelihood, which is not comparable with the other",
}


@dataclass(frozen=True)
class TokenLoss:
    """One token of a text."""

    id: Count
    token: str
    start: Count  # the characters of the text that it stands for: from here
    end: Count  # up to here, not included; tokens of one character in several bytes share it
    nats: Nats
    probability: Fraction
    rank: Count  # 1 and the tokens that the model found at least as likely


@dataclass(frozen=True)
class TextLosses:
    """What the command `loss` answers."""

    model: str
    kind: str
    text: str
    nats: Nats  # of all tokens
    bits_per_byte: Nats  # of UTF-8
    tokens: tuple[TokenLoss, ...]


def token_losses(loaded: LoadedModel, text: str) -> TextLosses:
    """Return the loss of every token of a text.

    A causal model reads it from the token that starts a text, in windows where it is longer than the model's context; a
    masked model must have positions for all of it.

    Raises:
        UsageError: no token stands for the text, or it is too long for a masked model.
        RunError: a masked model whose tokenizer has no mask token.
    """
    encoded = loaded.encode(text)
    own = [place for place, added in enumerate(encoded.added) if not added]
    if not own:
        raise UsageError(f"--text: no token of {loaded.name} stands for {text!r}; give a longer one")
    ids = [encoded.ids[place] for place in own]
    if loaded.kind == "masked":
        loaded.check_length(len(encoded.ids), "--text")
        found: Predictions = predict_masked(loaded, encoded.ids, own)
    else:
        found = predict(loaded, [ids])[0]
    tokens = tuple(
        TokenLoss(token, loaded.show(token), *encoded.spans[place], nats, math.exp(-nats), rank)
        for token, place, nats, rank in zip(ids, own, found.nats.tolist(), found.ranks.tolist(), strict=True)
    )
    nats = float(found.nats.sum())
    bits = nats / math.log(2) / len(text.encode())
    return TextLosses(loaded.name, loaded.kind, text, nats, bits, tokens)


def describe(result: TextLosses) -> str:
    """Lay out the losses for people."""
    head = (
        f"{visible(result.model)}: {result.nats:.2f} nats, {result.bits_per_byte:.3f} bits per byte; {HOW[result.kind]}"
    )
    rows = [["characters", "id", "token", "nats", "probability", "rank"]]
    for one in result.tokens:
        numbers = (f"{one.nats:.2f}", f"{one.probability:.4f}", f"{one.rank:,}")
        rows.append([f"{one.start}-{one.end}", str(one.id), quoted(one.token), *numbers])
    return f"{head}\n\n{table(rows)}"
