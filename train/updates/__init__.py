"""Turn gradients into new weights: Muon, AdamW, their average, and the scale of a loss in fp16.

A batch goes in, changed parameters come out. This wing touches no file.
"""

from train.updates.learner import Learner, named_weights
from train.updates.optimizer import learning_rate

__all__ = [
    "Learner",
    "learning_rate",
    "named_weights",
]
