"""Have the processes of a training ask each other, and see that they are about to do the same."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from wikilm.errors import UsageError

if TYPE_CHECKING:
    from accelerate import Accelerator

    from train.plan import Plan


def refuse_difference(accelerator: "Accelerator", plan: "Plan", step: int) -> None:
    """Raise unless all processes have the same settings and shards, and resume from the same step.

    Args:
        accelerator: by which they ask each other.
        plan: of this process.
        step: that it would go on from.

    Raises:
        UsageError: machines have other params files or shards, or do not share --runs.
    """
    if accelerator.num_processes == 1:
        return
    mine = torch.tensor([int(plan.run.name, 16), step], device=accelerator.device)
    runs, steps = accelerator.gather(mine).view(-1, 2).T.tolist()
    if len(set(runs)) > 1:
        other = next(process for process, one in enumerate(runs) if one != runs[0])
        raise UsageError(
            f"process {other} has other settings or shards than process 0: give all machines the same --params, "
            f"--shards and flags"
        )
    if len(set(steps)) > 1:
        other = next(process for process, one in enumerate(steps) if one != steps[0])
        raise UsageError(
            f"{plan.run.parent}: process 0 goes on from step {steps[0]}, process {other} from step {steps[other]}: "
            f"name a folder for --runs that all machines share"
        )


def sum_over_processes(accelerator: "Accelerator", value: Tensor | int) -> Tensor:
    """Return the sum of a number over all processes."""
    # Filled in on the device: a number that is copied there is waited for
    tensor = value if isinstance(value, Tensor) else torch.full((), value, device=accelerator.device)
    return accelerator.reduce(tensor, "sum") if accelerator.num_processes > 1 else tensor


def highest(accelerator: "Accelerator", number: int) -> int:
    """Return the highest of the processes' numbers: they have to agree before they part."""
    if accelerator.num_processes == 1:
        return number
    return int(accelerator.gather(torch.tensor([number], device=accelerator.device)).max())
