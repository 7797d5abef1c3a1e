"""Share a model's parameters out among processes, each of which keeps a part of every one, and make them whole again.

By torch's `fully_shard` (FSDP2; Zhao et al. 2023, "PyTorch FSDP"). Each parameter is a `DTensor` then, cut along its
first dimension. The blocks' are gathered when a block is called, and all others for the whole of a step.
"""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from train.model.loss import SummedLoss


def shard(loss: SummedLoss, device: torch.device, processes: int, reshard_after_forward: bool) -> "Hollow":
    """Leave each process its part of a model; parameters keep their names, and become others.

    Args:
        loss: of the model, which has all parameters, equal in all processes.
        device: where its part goes.
        processes: all of those that have joined.
        reshard_after_forward: give a block's gathered parameters back before the backward pass gathers them again.

    Returns:
        What makes a whole model again.
    """
    hollow = Hollow(loss.model)
    mesh = init_device_mesh(device.type, (processes,))
    for block in blocks(loss.model):
        fully_shard(block, mesh=mesh, reshard_after_forward=reshard_after_forward)
    fully_shard(loss, mesh=mesh, reshard_after_forward=False)
    return hollow


def blocks(model: PreTrainedModel) -> list[nn.Module]:
    """Return the blocks that are gathered one by one: those called as a whole, not by parts as a BERT's last one."""
    found = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    return found[:-1] if model.config.model_type == "bert" else found


class Hollow:
    """A model without its weights, which takes no memory, to be filled with them."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = _with_parameters(model, {name: p.to("meta") for name, p in model.named_parameters()})

    def filled(self, weights: Mapping[str, Tensor], device: torch.device) -> PreTrainedModel:
        """Return a model on a device with these weights, which are made whole; every process has to ask at once."""
        return _with_parameters(self._model, {name: whole(tensor) for name, tensor in weights.items()}).to(device)


def is_shared_out(tensor: Tensor) -> bool:
    """Return whether this process has but a part of a tensor."""
    return isinstance(tensor, DTensor)


def whole(tensor: Tensor) -> Tensor:
    """Return all of a tensor that processes share out, which takes all of them; any other as it is."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def gathered(tensors: Mapping[str, Tensor], *, wanted: bool) -> dict[str, Tensor]:
    """Return whole tensors, one after the other moved to the CPU where processes share them out.

    Args:
        tensors: by name, of the same names in all processes, all of which have to ask.
        wanted: whether this process wants them; others get none of those that are shared out.
    """
    found = {}
    for name, tensor in tensors.items():
        full = whole(tensor)
        if wanted:
            found[name] = full if full is tensor else full.detach().cpu()
    return found


def part_of(value: Tensor, like: Tensor) -> Tensor:
    """Return this process's part of a whole tensor, where `like`, of the same shape, is shared out; else all of it.

    On the device of `like`, in memory of its own.
    """
    if not isinstance(like, DTensor) or value.shape != like.shape:
        return value.to(like.device, copy=True)
    return distribute_tensor(value.detach().to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def _with_parameters(model: PreTrainedModel, parameters: Mapping[str, Tensor]) -> PreTrainedModel:
    """Copy a model, but for its parameters, in whose place these come; what was tied is tied."""
    named = dict(model.named_parameters())
    return copy.deepcopy(model, {id(named[name]): nn.Parameter(tensor) for name, tensor in parameters.items()})
