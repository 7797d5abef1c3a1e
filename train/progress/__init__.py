"""Measure and show how a training goes: curves, validation, samples, speed, a progress bar, trackers.

What the loop has just done goes in, points and lines come out. This wing writes metrics, and no weights.
"""

from train.progress.console import Console
from train.progress.curves import Point, log_point, lowest_validation, reproducible
from train.progress.reached import Progress
from train.progress.throughput import FORMULA, WARM_UP_STEPS, Pace, Stopwatch, device_peak, peak_memory, training_flops
from train.progress.trackers import chosen, end_trackers, mend_curves, start_trackers
from train.progress.validation import Validation

__all__ = [
    "FORMULA",
    "WARM_UP_STEPS",
    "Console",
    "Pace",
    "Point",
    "Progress",
    "Stopwatch",
    "Validation",
    "chosen",
    "device_peak",
    "end_trackers",
    "log_point",
    "lowest_validation",
    "mend_curves",
    "peak_memory",
    "reproducible",
    "start_trackers",
    "training_flops",
]
