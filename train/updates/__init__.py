"""Turn gradients into new weights: Muon, AdamW, their average, and the scale of a loss in fp16.

Parameters and gradients go in, changed parameters come out. This wing touches no file.
"""

from train.updates.average import Average
from train.updates.loss_scale import LossScale
from train.updates.optimizer import Optimizers, learning_rate

__all__ = [
    "Average",
    "LossScale",
    "Optimizers",
    "learning_rate",
]
