"""Measure and show how a training goes: curves, validation, samples, speed, a progress bar, trackers.

What the loop has just done goes in, points and lines come out. This wing writes metrics, and no weights.
"""

from train.progress.console import Console, Stopped, StopSignal
from train.progress.curves import Point, log_point, lowest_validation, reproducible, validations_since_lowest
from train.progress.throughput import FORMULA, WARM_UP_STEPS, Pace, Stopwatch, device_peak, peak_memory, training_flops
from train.progress.trackers import TENSORBOARD, chosen, end_trackers, start_trackers
from train.progress.validation import Validation, sum_over_processes

__all__ = [
    "FORMULA",
    "TENSORBOARD",
    "WARM_UP_STEPS",
    "Console",
    "Pace",
    "Point",
    "StopSignal",
    "Stopped",
    "Stopwatch",
    "Validation",
    "chosen",
    "device_peak",
    "end_trackers",
    "log_point",
    "lowest_validation",
    "peak_memory",
    "reproducible",
    "start_trackers",
    "sum_over_processes",
    "training_flops",
    "validations_since_lowest",
]
