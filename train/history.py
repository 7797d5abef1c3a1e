"""Points of the curves in, DVCLive's files out; the curve of a resumed run has no gap and no echo."""

import sys
from pathlib import Path
from typing import Any, TypeAlias

from wikilm.errors import RunError

Point: TypeAlias = dict[
    str, Any
]  # step, epoch, loss, learning_rate, tokens_per_second; validation_loss and more at times

CURVES = ("loss", "validation_loss", "perplexity", "learning_rate", "tokens_per_second")
MEASURED = ("tokens_per_second",)  # depends on the machine and its load, so it is in no file that must be reproducible


class Curves:
    """DVCLive, where it is installed: one TSV file per curve, and `metrics.json` with the latest values."""

    def __init__(self, folder: Path, history: list[Point]) -> None:
        """Start the files anew with the points up to now: DVC may have removed the folder, or a crash outran it.

        Raises:
            RunError: DVCLive cannot start.
        """
        self._live: Any = None
        try:
            from dvclive import Live  # here, since it brings DVC along: training must run where neither is installed
        except ImportError:
            print(f"train: dvclive is not installed, so no curves are written into {folder}", file=sys.stderr)
            return
        try:
            self._live = Live(str(folder), dvcyaml=None, save_dvc_exp=False)
        except Exception as error:  # it opens the DVC repository around us, with all that can be wrong there
            raise RunError(f"{folder}: DVCLive cannot write curves here: {error}; name another --metrics") from error
        for point in history:
            self._write(point)
        self._live.make_summary()

    def add(self, point: Point) -> None:
        """Append one point to all curves that it has a value for."""
        if self._live is not None:
            self._write(point)
            self._live.make_summary()

    def finish(self, totals: dict[str, Any]) -> None:
        """Put figures of the whole run into `metrics.json`."""
        if self._live is not None:
            for name, value in totals.items():
                self._live.log_metric(name, value, plot=False)
            self._live.make_summary()

    def _write(self, point: Point) -> None:
        self._live.step = point["step"]
        for name in CURVES:
            if name in point:
                self._live.log_metric(name, point[name])


def reproducible(history: list[Point]) -> list[Point]:
    """The history without what a clock measured: the same for the same run."""
    return [{key: value for key, value in point.items() if key not in MEASURED} for point in history]


def lowest_validation(history: list[Point]) -> Point | None:
    """The point with the lowest validation loss, the earliest of several."""
    validated = [point for point in history if "validation_loss" in point]
    return min(validated, key=lambda point: point["validation_loss"]) if validated else None
