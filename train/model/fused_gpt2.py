"""Have a compiled GPT-2 attend and activate by the kernels of `train.model.kernels`, in bf16 or fp16.

Each takes a bias that `transformers` adds before: what the compiler cannot do is to sum a bias's gradient in the kernel
that makes it. A BERT or Llama projects queries, keys and values apart, and is compiled as it is.
"""

from types import MethodType
from typing import Any

import torch
from torch import Tensor
from transformers import GPT2LMHeadModel, PreTrainedModel
from transformers.models.gpt2.modeling_gpt2 import GPT2Attention

from train.model.precision import product_dtype

HALVES = (torch.bfloat16, torch.float16)


def use_kernels(model: PreTrainedModel) -> None:
    """Put the kernels in the place of those parts of a GPT-2 that they can do; no other model is changed."""
    if not isinstance(model, GPT2LMHeadModel):
        return
    from train.model.kernels import HEAD_WIDTHS  # which needs Triton

    config = model.config
    is_usual = config.scale_attn_weights and not (
        config.scale_attn_by_inverse_layer_idx or config.reorder_and_upcast_attn
    )
    for block in model.transformer.h:
        if is_usual and block.attn.head_dim in HEAD_WIDTHS:
            block.attn.forward = MethodType(_attend, block.attn)


def _attend(self: GPT2Attention, hidden_states: Tensor, *given: Any, **named: Any) -> tuple[Tensor, Tensor | None]:
    """In the place of `GPT2Attention.forward`, and with its arguments; itself where a prompt is continued."""
    from train.model.kernels import MOST_TOKENS, attend

    continues = (given and given[0] is not None) or named.get("past_key_values") is not None
    drops = self.training and self.attn_dropout.p > 0
    is_long = hidden_states.shape[1] > MOST_TOKENS
    if continues or drops or is_long or product_dtype(hidden_states) not in HALVES:
        return type(self).forward(self, hidden_states, *given, **named)
    mixed = attend(hidden_states @ self.c_attn.weight, self.c_attn.bias, self.num_heads)
    return self.resid_dropout(self.c_proj(mixed)), None
