"""Ask whether a model's loss tells the rows that it was trained on from those that it was not."""

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.measuring import Auc, RowSample, auc
from probes.model import LoadedModel
from wikilm.shards import SPLITS, open_split

LOSS, LOSS_PER_ZLIB = "loss", "loss_per_zlib"
HOW_MEMBERSHIP = {
    LOSS: "the mean loss of a row's tokens",
    LOSS_PER_ZLIB: "the loss of a row in bits, divided by the bits that zlib needs for its text",
}


@dataclass(frozen=True)
class Membership:
    """How well a score tells training rows from validation rows: 0.5 is a coin, 1 is always right."""

    score: str  # a key of HOW_MEMBERSHIP; the lower, the more likely a row was trained on
    auc: Auc


def membership(
    loaded: LoadedModel,
    sample: RowSample,
    losses: Mapping[str, NDArray[np.float32]],
    articles: Sequence[NDArray[np.int64]],
) -> tuple[Membership, ...]:
    """Score the rows of both splits by their loss (Yeom et al. 2018, arXiv:1709.01604), alone and against zlib.

    The ratio to zlib is that of Carlini et al. 2021 (arXiv:2012.07805, section 5.2): what compresses well has a low
    loss without having been seen.

    Args:
        loaded: a causal model.
        sample: rows of both splits.
        losses: of each split, float32 [rows, tokens], nats of the tokens of these rows but the first, as far as the
            model has positions.
        articles: of each split, in which article each row starts; see `row_articles`.
    """
    scores = {name: [] for name in HOW_MEMBERSHIP}  # type: dict[str, list[NDArray[np.float64]]]
    for split in SPLITS:
        nats = losses[split].astype(np.float64)
        rows = sample.split(split)[:, : nats.shape[1] + 1]
        bits = np.array([8 * len(zlib.compress(loaded.decode(row.tolist()).encode(), 9)) for row in rows])
        scores[LOSS].append(nats.mean(axis=1))
        scores[LOSS_PER_ZLIB].append(nats.sum(axis=1) / math.log(2) / bits)
    train, validation = (len(np.unique(of_rows)) for of_rows in articles)
    return tuple(
        Membership(name, auc(-members, -others, (train, validation))) for name, (members, others) in scores.items()
    )


def row_articles(sample: RowSample, split: str) -> NDArray[np.int64]:
    """Return a number for the article in which each row starts: int64 [rows], equal where the article is the same."""
    table = (
        open_split(sample.shards.path, sample.manifest, split).drop_columns("input_ids").take(sample.numbers_of(split))
    )
    _, which = np.unique(table["page_id"].to_numpy(), return_inverse=True)
    if "wiki" in table.column_names:  # where there are several, page ids are unique only within one
        _, wiki = np.unique(np.array(table["wiki"].to_pylist()), return_inverse=True)
        which = which + wiki * (int(which.max(initial=0)) + 1)
    return which.astype(np.int64)
