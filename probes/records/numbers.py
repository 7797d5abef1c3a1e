"""Name the kinds of numbers in results, with their ranges: reading a result by its record refuses any other."""

from typing import Annotated, TypeAlias

from pydantic import Field

Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1)]  # a share or a probability; NaN is in no range
Count: TypeAlias = Annotated[int, Field(ge=0)]
Nats: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]  # a loss
Finite: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
