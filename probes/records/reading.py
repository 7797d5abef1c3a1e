"""Read results, each as the record that it was written from."""

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from wikilm.errors import RunError, first_fault

T = TypeVar("T")


def read_record(path: Path, kind: type[T], made_by: str) -> T:
    """Read a JSON file as the dataclass or model that it was written from.

    Raises:
        RunError: it is missing, or does not hold what it must; `made_by` is the command that makes it.
    """
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; make it with {made_by}") from None
    except OSError as error:
        raise RunError(f"{path}: cannot read it: {error.strerror}") from None
    except ValidationError as error:
        raise RunError(f"{path}: {first_fault(error)}; make it again with {made_by}") from None
