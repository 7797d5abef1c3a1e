"""Say in which dtype a model computes where it keeps its weights in fp32."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

EMBEDDED = {"gpt2": "drop", "llama": "embed_tokens"}  # what gives the embeddings; GPT-2's drop sees the sum of both


def has_bf16_units(device: torch.device) -> bool:
    """Return whether a device is a GPU with units for bf16: NVIDIA's from Ampere on."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


def product_dtype(hidden: Tensor) -> torch.dtype:
    """Return in what matrix products are taken: autocast does not reach into an operation of our own."""
    device = hidden.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype


def carry_in_bf16(model: PreTrainedModel) -> None:
    """Under autocast in bf16, have a GPT-2 or Llama carry its hidden states from block to block in bf16 as well.

    Autocast leaves the embeddings in fp32, and so whatever is added to them: half of what a step reads and writes
    outside its matrix products. With this, what a block adds is rounded to bf16; norms and the loss compute in fp32.
    Weights in bf16, the usual way of large models, do the same (Touvron et al. 2023). fp16 would overflow where a
    hidden state exceeds 65,504. BERT's norms stand between its blocks, and give fp32.
    """
    embedded = EMBEDDED.get(model.config.model_type)
    if embedded is not None:
        getattr(model.base_model, embedded).register_forward_hook(_low)


def _low(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    return output.to(torch.bfloat16) if product_dtype(output) == torch.bfloat16 else output
