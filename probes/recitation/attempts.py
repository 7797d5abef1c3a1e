"""Let a causal model try to recite: give it tokens of rows, have it add more, and count what is the text's own."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from probes.generation import continue_rows
from probes.measuring import RowSample, Share, TokenIds, bootstrap, next_token_losses, wilson
from probes.model import LoadedModel
from probes.recitation.similarity import edit_distances, longest_runs
from probes.records import Count, Nats
from wikilm.errors import UsageError
from wikilm.shards import SPLITS

START, ANYWHERE = "start", "anywhere"  # where in its row a prefix begins


@dataclass(frozen=True)
class Attempt:
    """What a model added to rows of one split, beside what stands there.

    Attributes:
        split: `train` or `validation`.
        place: START, or ANYWHERE where each row's prefix begins at a drawn place.
        rows: int64 [rows], their numbers in the split.
        offsets: int64 [rows], where in its row each prefix begins.
        prefixes: int64 [rows, prefix], token ids that were given.
        truth: int64 [rows, continuation], the text's own.
        added: int64 [rows, continuation], the model's.
        losses: float32 [rows, continuation], nats of each token of the truth after all before it.
    """

    split: str
    place: str
    rows: NDArray[np.int64]
    offsets: NDArray[np.int64]
    prefixes: TokenIds
    truth: TokenIds
    added: TokenIds
    losses: NDArray[np.float32]

    @property
    def equal(self) -> NDArray[np.bool_]:
        """Bool [rows, continuation]: whether the model added what stands there."""
        return np.asarray(self.truth == self.added)

    def cut(self, continuation: int) -> "Attempt":
        """Return what it would be if fewer tokens had been asked for: greedy decoding adds the same ones."""
        short = slice(continuation)
        return replace(self, truth=self.truth[:, short], added=self.added[:, short], losses=self.losses[:, short])


@dataclass(frozen=True)
class Recited:
    """How much of one split is reproduced after prefixes of one length."""

    split: str
    prefix: Count  # tokens given
    continuation: Count  # tokens to add
    rows: Count
    tokens: Share  # of all tokens to add, those equal to the text's; interval by bootstrap over rows
    whole: Share  # of all rows, those with every token equal; Wilson's interval
    place: str = START
    longest_run: Share | None = None  # the longest run in common with the text, as a share of the continuation
    edits: Share | None = None  # of the tokens to add, those to insert, delete or replace to have the text
    loss: Nats | None = None  # mean nats of the text's own tokens


def check_lengths(loaded: LoadedModel, chunk_tokens: int, prefix: int, continuation: int) -> None:
    """Refuse a prefix and a continuation that do not fit together.

    Raises:
        UsageError: they are more than a row of `chunk_tokens`, or than the model has positions.
    """
    what = f"--prefix {prefix} and --continue {continuation}"
    if prefix + continuation > chunk_tokens:
        raise UsageError(f"{what}: more than the {chunk_tokens} tokens of a row; make one of them smaller")
    loaded.check_length(prefix + continuation, what)


def attempt(
    loaded: LoadedModel,
    sample: RowSample,
    split: str,
    place: str,
    prefix: int,
    continuation: int,
    *,
    seed: int,
    batch_rows: int,
    row_losses: NDArray[np.float32] | None = None,
) -> Attempt:
    """Give a model `prefix` tokens of each row of a split, from its start or from a drawn place, and let it go on.

    The tokens given are all that it sees, and stand at its first positions, as those of a prompt do. `row_losses`,
    float32 [rows, tokens], are those of the rows' tokens but the first, and are computed anew where they are not given.
    """
    rows = sample.split(split)
    offsets = np.zeros(len(rows), np.int64)
    if place == ANYWHERE:
        # The same place in a row for all lengths, as nearly as its end allows.
        drawn = np.random.default_rng([seed, SPLITS.index(split), 3]).random(len(rows))
        offsets = np.floor(drawn * (rows.shape[1] - prefix - continuation + 1)).astype(np.int64)
    shown = np.take_along_axis(rows, offsets[:, None] + np.arange(prefix + continuation), axis=1)
    added = continue_greedily(loaded, shown[:, :prefix], continuation, batch_rows)
    if row_losses is None or place == ANYWHERE:
        losses = next_token_losses(loaded, shown, continuation)
    else:
        losses = row_losses[:, prefix - 1 : prefix - 1 + continuation]
    numbers = sample.numbers_of(split)
    return Attempt(split, place, numbers, offsets, shown[:, :prefix], shown[:, prefix:], added, losses)


def continue_greedily(loaded: LoadedModel, prefixes: TokenIds, tokens: int, batch_rows: int) -> TokenIds:
    """Add `tokens` ids to every row of `prefixes` (int64 [rows, prefix]), each the likeliest next one.

    End-of-text is an id like any other here: packed rows continue after it.

    Returns:
        int64 [rows, tokens].
    """
    return continue_rows(loaded, prefixes, tokens, batch_rows).cpu().numpy()


def score(split: str, truth: TokenIds, added: TokenIds, prefix: int, seed: int) -> Recited:
    """Compare what was added with the text, both int64 [rows, continuation]."""
    equal = (truth == added).sum(axis=1, dtype=np.int64)
    trials = np.full(len(truth), truth.shape[1], dtype=np.int64)
    whole = wilson(int((equal == truth.shape[1]).sum()), len(truth))
    return Recited(split, prefix, truth.shape[1], len(truth), bootstrap(equal, trials, seed), whole)


def score_attempt(made: Attempt, seed: int) -> Recited:
    """Compare what was added with the text, token by token and as runs that may have slipped."""
    trials = np.full(len(made.truth), made.truth.shape[1], dtype=np.int64)
    return replace(
        score(made.split, made.truth, made.added, made.prefixes.shape[1], seed),
        place=made.place,
        longest_run=bootstrap(longest_runs(made.truth, made.added), trials, seed),
        edits=bootstrap(edit_distances(made.truth, made.added), trials, seed),
        loss=float(made.losses.mean()),
    )
