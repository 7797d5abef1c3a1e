"""Read the results that the page is made of, each as the record that it was written from."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field

from probes.records import read_record

T = TypeVar("T")


class Point(BaseModel):
    """One point of a training's history: what the page shows of it."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)
    step: int = Field(ge=0)
    loss: float | None = None
    validation_loss: float | None = None
    sample: str | None = None


class Training(BaseModel):
    """What the page shows of a training: a part of the training.json in the model's folder."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)
    objective: str
    steps: int = Field(gt=0)
    planned_steps: int
    epochs: float
    tokens: int
    loss: float
    mean_loss: float
    validation_loss: float
    lowest_validation_loss: float
    lowest_validation_step: int
    parameters: int
    history: tuple[Point, ...]

    def curve(self, name: str) -> list[tuple[int, float]]:
        """(step, value) of the points that have a value of that name."""
        values = [(point.step, getattr(point, name)) for point in self.history]
        return [(step, value) for step, value in values if value is not None]


def read_optional(path: Path, kind: type[T], made_by: str) -> T | None:
    """Read a result that the page does without where there is none; raises as `read_record` does."""
    return read_record(path, kind, made_by) if path.exists() else None
