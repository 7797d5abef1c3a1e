"""Sample rows to measure on, and put an interval around what was counted.

Shards and counts go in; rows and shares come out. This wing reads shards, and writes nothing.
"""

from probes.measuring.interval import Share, bootstrap, wilson
from probes.measuring.losses import hidden_token_losses, next_token_losses
from probes.measuring.rows import RowSample, TokenIds, same_vocabulary, sample_rows

__all__ = [
    "RowSample",
    "Share",
    "TokenIds",
    "bootstrap",
    "hidden_token_losses",
    "next_token_losses",
    "same_vocabulary",
    "sample_rows",
    "wilson",
]
