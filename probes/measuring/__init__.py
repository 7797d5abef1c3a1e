"""Sample rows to measure on, and put an interval around what was counted.

Shards and counts go in; rows and shares come out. This wing reads shards, and writes nothing.
"""

from probes.measuring.comparison import Auc, Counted, Difference, auc, permutation_test
from probes.measuring.interval import Share, bootstrap, wilson
from probes.measuring.losses import hidden_token_losses, next_token_losses
from probes.measuring.rows import RowSample, TokenIds, same_vocabulary, sample_rows
from probes.measuring.training_counts import TrainingCounts, count_training

__all__ = [
    "Auc",
    "Counted",
    "Difference",
    "RowSample",
    "Share",
    "TokenIds",
    "TrainingCounts",
    "auc",
    "bootstrap",
    "count_training",
    "hidden_token_losses",
    "next_token_losses",
    "permutation_test",
    "same_vocabulary",
    "sample_rows",
    "wilson",
]
