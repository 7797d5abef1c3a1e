"""Start the processes of a run, each on its device and in its precision."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, ProjectConfiguration

from train.hosts.heartbeat import INTERFACE, choose_interface
from train.hosts.memory import keep_freed_memory
from train.hosts.processes import lost_another
from train.hosts.sharding import asked_sharding, untold
from train.settings import TENSORBOARD
from wikilm.errors import RunError, UsageError

if TYPE_CHECKING:
    from train.plan import Plan


def data_parallel(plan: "Plan") -> DistributedDataParallelKwargs:
    """Return how processes share gradients: their sums stay where they were added up, without a copy.

    A step of one part does the same every time, which lets DDP order its sums by the first step (`static_graph`). With
    more parts the first backward pass sums nothing, and it would wait for sums that are not made.
    """
    one_part = plan.settings.gradient_accumulation == 1
    return DistributedDataParallelKwargs(gradient_as_bucket_view=True, static_graph=one_part)


def start_accelerator(plan: "Plan", trackers: Sequence[str]) -> Accelerator:
    """Join the processes of this run, each on its device, with trackers by the names that Accelerate has for them.

    Raises:
        RunError: several were started, but they do not reach or find each other.
        UsageError: a batch has too few rows for all of them, or the device and the way to share parameters out do not
            go with the settings.
    """
    if asked_sharding() and plan.settings.compile is True:
        raise UsageError(
            f"{plan.told_settings}.compile: true makes one graph of the model, which FSDP gathers "
            f"block by block; write auto, or take launch/eight-gpus.yaml"
        )
    asked = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("true", "1", "yes")
    on_cpu = asked or not torch.accelerator.is_available()
    precision = plan.settings.mixed_precision
    if precision == "fp16" and on_cpu:
        raise UsageError(f"{plan.told_settings}.mixed_precision: fp16 needs a GPU, and there is none; write auto")
    if precision == "auto":
        precision = "bf16" if has_fast_bf16(on_cpu) else "no"
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started > 1:
        choose_interface()
    try:
        with untold():
            accelerator = Accelerator(
                cpu=on_cpu,  # also where there is nothing else: without it accelerate joins no processes, silently
                mixed_precision=precision,
                log_with=list(trackers) or None,
                project_config=ProjectConfiguration(logging_dir=str(plan.metrics / TENSORBOARD)),
                kwargs_handlers=[data_parallel(plan)],
            )
    except RuntimeError as error:
        if started > 1 and lost_another(error):
            raise RunError(f"the processes do not reach each other by {os.environ.get(INTERFACE)}: {error}") from None
        raise
    if accelerator.num_processes != started:
        raise RunError(f"{started} processes were started, but {accelerator.num_processes} joined; see launch/")
    if plan.settings.batch_size < accelerator.num_processes * plan.settings.gradient_accumulation:
        raise UsageError(
            f"{plan.told_settings}.batch_size: {plan.settings.batch_size} rows cannot be shared by "
            f"{accelerator.num_processes} processes x {plan.settings.gradient_accumulation} (gradient_accumulation)"
        )
    if accelerator.device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32 for what stays in fp32, such as Muon
    else:
        keep_freed_memory()
    return accelerator


def has_fast_bf16(on_cpu: bool) -> bool:
    """Return whether products in bf16 take less time than in fp32: on GPUs that have it, and on CPUs with AMX."""
    if on_cpu:
        return hasattr(torch.cpu, "get_capabilities") and bool(torch.cpu.get_capabilities().get("amx_bf16"))
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
