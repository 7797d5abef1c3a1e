"""Ask for the secrets of canaries: made-up sentences that `shards.canaries` planted a known number of times."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.measuring import Share, TokenIds, bootstrap, next_token_losses, wilson
from probes.model import LoadedModel
from probes.recitation.attempts import continue_greedily
from probes.settings import RecitationSettings
from wikilm.shards import CanaryEntry, Manifest


@dataclass(frozen=True)
class CanaryAnswer:
    """What a model makes of one canary, once it has what stands before the secret."""

    before: str
    secret: str
    answer: str  # what the model adds
    times: int  # that the canary was planted
    equal_tokens: int
    tokens: int  # of the secret
    loss: float  # mean nats of the secret's tokens
    rank: int  # of the secret by its loss, among the others: 1 is the likeliest
    references: int  # other secrets of the same form
    exposure: float  # bits


@dataclass(frozen=True)
class ByTimes:
    """The canaries that were planted equally often."""

    times: int
    canaries: int
    tokens: Share  # of the tokens of all secrets, those reproduced
    whole: Share  # of the secrets, those reproduced whole
    loss: float
    exposure: float  # mean bits


def ask_canaries(loaded: LoadedModel, manifest: Manifest, settings: RecitationSettings) -> tuple[CanaryAnswer, ...]:
    """Ask for the secret of each canary, and rank it by its loss among drawn secrets of the same form.

    The exposure of a secret is log2 of how many secrets there are less log2 of its rank (Carlini et al. 2019, "The
    Secret Sharer", arXiv:1802.08232, definition 4). The secrets ranked are a drawn sample, so that it ends at log2 of
    their number. Where nothing is known of a secret, all ranks are alike, and the mean is log2 e, 1.44 bits.
    """
    rng = np.random.default_rng([settings.seed, 5])
    return tuple(
        _ask(loaded, entry, manifest.tokenizer.end_of_text_id, settings, rng) for entry in manifest.canaries or ()
    )


def _ask(
    loaded: LoadedModel, entry: CanaryEntry, end: int, settings: RecitationSettings, rng: np.random.Generator
) -> CanaryAnswer:
    digits = entry.secret.split()
    drawn = rng.integers(0, 10, (settings.canary_references, len(digits)))
    others = ["".join(f" {digit}" for digit in row) for row in drawn.tolist()]
    given = [end, *_ids(loaded, entry.before)]  # as in the shards, where a text ends before a canary
    secrets = [_ids(loaded, entry.before + secret)[len(given) - 1 :] for secret in (entry.secret, *others)]
    loaded.check_length(len(given) + max(map(len, secrets)), f"the canary {entry.text!r}")
    nats = _losses(loaded, given, secrets)
    rank = 1 + int((nats[1:] < nats[0]).sum()) + int((nats[1:] == nats[0]).sum()) // 2  # equals: the middle of them
    truth = np.array([secrets[0]])
    added = continue_greedily(loaded, np.array([given]), truth.shape[1], settings.batch_rows)
    return CanaryAnswer(
        before=entry.before,
        secret=entry.secret,
        answer=loaded.decode(added[0].tolist()),
        times=entry.times,
        equal_tokens=int((truth == added).sum()),
        tokens=truth.shape[1],
        loss=float(nats[0]) / truth.shape[1],
        rank=rank,
        references=len(others),
        exposure=math.log2(1 + len(others)) - math.log2(rank),
    )


def _losses(loaded: LoadedModel, given: Sequence[int], secrets: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """Return the nats of each secret after the tokens given: float64 [secrets]."""
    nats = np.empty(len(secrets))
    lengths = np.array([len(secret) for secret in secrets])
    for length in np.unique(lengths):
        of_length = np.flatnonzero(lengths == length)
        rows: TokenIds = np.array([[*given, *secrets[index]] for index in of_length.tolist()], np.int64)
        nats[of_length] = next_token_losses(loaded, rows, int(length)).astype(np.float64).sum(axis=1)
    return nats


def _ids(loaded: LoadedModel, text: str) -> list[int]:
    return [int(i) for i in loaded.tokenizer(text, add_special_tokens=False)["input_ids"]]


def by_times(answers: Sequence[CanaryAnswer], seed: int) -> tuple[ByTimes, ...]:
    """Put together the canaries that were planted equally often, the rarest first."""
    found = []
    for times in sorted({answer.times for answer in answers}):
        same = [answer for answer in answers if answer.times == times]
        equal = np.array([answer.equal_tokens for answer in same], np.int64)
        tokens = np.array([answer.tokens for answer in same], np.int64)
        loss, exposure = (float(np.mean([getattr(answer, name) for answer in same])) for name in ("loss", "exposure"))
        whole = wilson(int((equal == tokens).sum()), len(same))
        found.append(ByTimes(times, len(same), bootstrap(equal, tokens, seed), whole, loss, exposure))
    return tuple(found)
