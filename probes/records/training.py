"""Read after which step of a training weights were as they are in a folder."""

from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from wikilm.errors import RunError, first_fault
from wikilm.model_folder import TRAINING


class _Trained(BaseModel):
    """What is read of a training.json."""

    steps: int = Field(ge=0)


def step_of(folder: Path) -> int:
    """Return the step after which weights were as they are in a folder that training wrote.

    Raises:
        RunError: it does not say so.
    """
    path = folder / TRAINING
    try:
        return _Trained.model_validate_json(path.read_bytes()).steps
    except FileNotFoundError:
        raise RunError(
            f"{path}: no such file, so its step is not known: name a folder that python -m train wrote"
        ) from None
    except OSError as error:
        raise RunError(f"{path}: cannot read it: {error.strerror}") from None
    except ValidationError as error:
        raise RunError(f"{path}: {first_fault(error)}; train the model again") from None
