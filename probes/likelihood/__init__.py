"""Measure how likely a model finds texts, token by token and as a whole.

A model and texts go in, losses, perplexities and their calibration come out. This wing reads texts, and writes nothing.
"""

from probes.likelihood.calibration import Calibration
from probes.likelihood.perplexity import Perplexity
from probes.likelihood.token_losses import TextLosses, TokenLoss, token_losses

__all__ = [
    "Calibration",
    "Perplexity",
    "TextLosses",
    "TokenLoss",
    "token_losses",
]
