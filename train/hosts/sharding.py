"""Read from a launch file whether the processes share the parameters out among them, and refuse what cannot be."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from wikilm.errors import UsageError

FSDP = "ACCELERATE_USE_FSDP"  # set by `accelerate launch`, as are all of these
RESHARD = "FSDP_RESHARD_AFTER_FORWARD"
OTHERS = {"ACCELERATE_USE_DEEPSPEED": "DeepSpeed", "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM"}
# variable, which in lower case is its name in fsdp_config -> its default, the values that can be, and the way out
TAKEN = {
    "FSDP_VERSION": ("1", ("2",), "write 2"),
    "FSDP_AUTO_WRAP_POLICY": (
        "TRANSFORMER_BASED_WRAP",
        ("TRANSFORMER_BASED_WRAP",),
        "write TRANSFORMER_BASED_WRAP: each block of the model is gathered by itself",
    ),
    RESHARD: ("true", ("true", "false"), "write true or false"),
    "FSDP_OFFLOAD_PARAMS": (
        "false",
        ("false",),
        "write false, and take more processes or pretrain.*.gradient_checkpointing: true to save memory",
    ),
    "FSDP_CPU_RAM_EFFICIENT_LOADING": (
        "false",
        ("false",),
        "write false: each process makes or loads the first weights by itself",
    ),
    "FSDP_ACTIVATION_CHECKPOINTING": (
        "false",
        ("false",),
        "write false, and pretrain.*.gradient_checkpointing: true in the params",
    ),
}


class Sharding(NamedTuple):
    """How processes share the parameters out."""

    reshard_after_forward: bool  # give the blocks' gathered parameters back before the backward pass


def asked_sharding(environment: Mapping[str, str] = os.environ) -> Sharding | None:
    """Return how parameters are to be shared out; None where each process keeps all of them, or there is but one.

    Raises:
        UsageError: it is asked for in a way that training does not know.
    """
    for variable, name in OTHERS.items():
        if _is_on(environment, variable):
            raise UsageError(
                f"{name}: training knows two ways to use several processes; take launch/fsdp2.yaml, which shares the "
                f"parameters out among them, or launch/eight-gpus.yaml, where each has all of them"
            )
    if not _is_on(environment, FSDP):
        return None
    for variable, (default, known, way_out) in TAKEN.items():
        if (value := environment.get(variable, default)) not in known:
            raise UsageError(f"fsdp_config.{variable.lower()}: {value} is nothing that training does; {way_out}")
    several = int(environment.get("WORLD_SIZE", "1")) > 1
    return Sharding(environment.get(RESHARD, TAKEN[RESHARD][0]) == "true") if several else None


@contextmanager
def untold() -> Iterator[None]:
    """Hide from Accelerate, while the block runs, that parameters are to be shared out.

    It knows how on GPUs alone, and with optimizers that it has wrapped; what torch does is the same on every device.
    """
    before = os.environ.pop(FSDP, None)
    try:
        yield
    finally:
        if before is not None:
            os.environ[FSDP] = before


def _is_on(environment: Mapping[str, str], variable: str) -> bool:
    return environment.get(variable, "").lower() in ("true", "1")
