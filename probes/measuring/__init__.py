"""Sample rows to measure on, guess them from counts alone, and put an interval around what was counted.

Shards and counts go in; rows, guesses and shares come out. This wing reads shards, and writes nothing.
"""

from probes.measuring.baselines import (
    HOW_BASELINES,
    Baseline,
    BlindLoss,
    blind_loss,
    continue_by_bigram,
    continue_by_most_common,
    guess_between,
    guess_hidden,
)
from probes.measuring.comparison import Auc, Counted, Difference, auc, permutation_test
from probes.measuring.interval import Mean, Share, bootstrap, bootstrap_mean, wilson
from probes.measuring.losses import hidden_logits, hidden_token_losses, next_token_losses
from probes.measuring.rows import RowSample, TokenIds, same_vocabulary, sample_rows
from probes.measuring.training_counts import TrainingCounts, count_training

__all__ = [
    "HOW_BASELINES",
    "Auc",
    "Baseline",
    "BlindLoss",
    "Counted",
    "Difference",
    "Mean",
    "RowSample",
    "Share",
    "TokenIds",
    "TrainingCounts",
    "auc",
    "blind_loss",
    "bootstrap",
    "bootstrap_mean",
    "continue_by_bigram",
    "continue_by_most_common",
    "count_training",
    "guess_between",
    "guess_hidden",
    "hidden_logits",
    "hidden_token_losses",
    "next_token_losses",
    "permutation_test",
    "same_vocabulary",
    "sample_rows",
    "wilson",
]
