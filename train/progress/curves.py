"""Keep the points of a run's curves, and write them through the trackers of Accelerate as they come."""

import math
from collections.abc import Container
from typing import TYPE_CHECKING, Any, TypeAlias

from accelerate.tracking import DVCLiveTracker

from wikilm.errors import RunError, reason

if TYPE_CHECKING:
    from accelerate import Accelerator

# step, epoch, loss, learning_rate, tokens_per_second; at times validation_loss, perplexity, bits_per_byte, sample, and
# validation: the loss, perplexity and bits_per_byte of other sets by their names
Point: TypeAlias = dict[str, Any]

CURVES = ("loss", "validation_loss", "perplexity", "bits_per_byte", "learning_rate")
# What depends on the machine and its load is in no file that must be reproducible, and DVC hashes those of DVCLive.
MEASURED = ("tokens_per_second", "model_flops_utilization", "data_wait_fraction", "memory_bytes")


def log_point(accelerator: "Accelerator", point: Point) -> None:
    """Append a point to the curves that it has a value for; from the main process alone, as Accelerate does.

    Raises:
        RunError: a tracker cannot take it.
        OSError: DVCLive cannot write it.
    """
    for tracker in accelerator.trackers:
        if isinstance(tracker, DVCLiveTracker):
            tracker.log(values_of(point, CURVES), step=point["step"])
            continue
        try:
            tracker.log(values_of(point, CURVES + MEASURED), step=point["step"])
        except Exception as error:  # files, a database or a server: all that can be wrong
            raise RunError(
                f"{tracker.name} cannot write its curves: {reason(error)}; name another --metrics, or take it out of "
                f"trackers"
            ) from error


def values_of(point: Point, curves: tuple[str, ...] = CURVES) -> dict[str, float]:
    """Return the values of a point by the names of their curves, those of a set as `validation/NAME/loss` and so on."""
    values = {name: point[name] for name in curves if name in point}
    sets = point.get("validation", {}).items()
    return values | {f"validation/{name}/{key}": value for name, found in sets for key, value in found.items()}


def of_sets(point: Point, names: Container[str]) -> Point:
    """Return a point with the figures of these validation sets alone, beside those of the shards."""
    if "validation" not in point:
        return point
    return point | {"validation": {name: found for name, found in point["validation"].items() if name in names}}


def reproducible(history: list[Point]) -> list[Point]:
    """Return the history without what a clock measured: the same for the same run."""
    return [{key: value for key, value in point.items() if key not in MEASURED} for point in history]


def lowest_validation(history: list[Point]) -> Point | None:
    """Return the point with the lowest validation loss, the earliest of several."""
    validated = [point for point in history if "validation_loss" in point]
    numbers = [point for point in validated if math.isfinite(point["validation_loss"])]
    return min(numbers or validated, key=lambda point: point["validation_loss"], default=None)


def validations_since_lowest(history: list[Point]) -> int:
    """Return how many validations came after the one with the lowest loss."""
    lowest = lowest_validation(history)
    return sum("validation_loss" in point and point["step"] > lowest["step"] for point in history) if lowest else 0
