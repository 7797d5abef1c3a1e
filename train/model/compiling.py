"""Decide whether torch compiles a model, and try its compiler before the first step."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch

from train.hosts.processes import tell
from train.model.precision import has_bf16_units
from wikilm.errors import RunError

if TYPE_CHECKING:
    from train.settings import Compile

BACKEND = "inductor"  # torch.compile's own


def backend(asked: "Compile", device: torch.device) -> str | None:
    """Return the backend that compiles, None where nothing does; "auto" compiles on a CUDA device that can.

    Raises:
        RunError: it was asked for, and there is no compiler that works.
    """
    if asked is False or (asked == "auto" and device.type != "cuda"):
        return None
    problem = compiler_problem(device)
    if problem is None:
        return BACKEND
    if asked is True:
        raise RunError(
            f"compile: true, but torch.compile cannot: {problem}; install a C++ compiler, or set it to false"
        )
    tell(f"not compiled, which is slower: torch.compile cannot: {problem}")
    return None


def compiler_problem(device: torch.device) -> str | None:
    """Return why torch cannot compile for a device, in one line; None where it can."""

    def probe(values: torch.Tensor) -> torch.Tensor:
        return (values.relu() + 1).sum()

    try:
        torch.compile(probe, backend=BACKEND, fullgraph=True)(torch.ones(8, device=device))
    except Exception as error:  # what a missing compiler, linker or driver raises is not documented
        cause = getattr(error, "inner_exception", error)  # dynamo's error names but the backend
        return (str(cause).strip().splitlines() or [type(cause).__name__])[0][:200]
    return None


def has_kernels(device: torch.device) -> bool:
    """Return whether a compiled model uses `train.model.kernels` as well: on NVIDIA's GPUs that compute in bf16."""
    return has_bf16_units(device) and torch.version.hip is None and find_spec("triton") is not None
