"""Keep the points of a run's curves, and write them through a tracker of Accelerate as they come."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from wikilm.errors import RunError

if TYPE_CHECKING:
    from accelerate import Accelerator

Point: TypeAlias = dict[
    str, Any
]  # step, epoch, loss, learning_rate, tokens_per_second; validation_loss and more at times

TRACKER = "dvclive"  # as Accelerate calls it
CURVES = ("loss", "validation_loss", "perplexity", "learning_rate")
# What depends on the machine and its load is in no file that must be reproducible, and DVC hashes those of DVCLive.
MEASURED = ("tokens_per_second", "model_flops_utilization", "data_wait_fraction", "memory_bytes")


def start_curves(accelerator: "Accelerator", folder: Path, history: list[Point]) -> None:
    """Start the tracker's files afresh with the points so far, so that no curve has a gap or a point twice.

    DVC may have removed the folder of an interrupted run, and a crash may have left points later than its checkpoint.

    Raises:
        RunError: the tracker cannot start.
    """
    options = {"dir": str(folder), "dvcyaml": None, "save_dvc_exp": False}
    try:
        accelerator.init_trackers("wikilm", init_kwargs={TRACKER: options})
    except ImportError:  # DVCLive is there, but not DVC
        accelerator.trackers.clear()
    except Exception as error:  # DVCLive opens the DVC repository around us, with all that can be wrong there
        raise RunError(f"{folder}: DVCLive cannot write curves here: {error}; name another --metrics") from error
    if accelerator.is_main_process and not accelerator.trackers:
        print(f"train: {TRACKER} is not installed, so no curves are written into {folder}", file=sys.stderr)
    for point in history:
        log_point(accelerator, point)


def log_point(accelerator: "Accelerator", point: Point) -> None:
    """Append a point to the curves that it has a value for; from the main process alone, as Accelerate does."""
    for tracker in accelerator.trackers:
        names = CURVES if tracker.name == TRACKER else CURVES + MEASURED
        tracker.log({name: point[name] for name in names if name in point}, step=point["step"])


def reproducible(history: list[Point]) -> list[Point]:
    """Return the history without what a clock measured: the same for the same run."""
    return [{key: value for key, value in point.items() if key not in MEASURED} for point in history]


def lowest_validation(history: list[Point]) -> Point | None:
    """Return the point with the lowest validation loss, the earliest of several."""
    validated = [point for point in history if "validation_loss" in point]
    return min(validated, key=lambda point: point["validation_loss"]) if validated else None
