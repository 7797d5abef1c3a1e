"""A batch and a model in, the summed cross entropy of its targets out, without ever holding all logits at once."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from train.settings import Objective

# Bytes of fp32 logits held at once. On a CPU a piece should stay in the caches; a GPU wants pieces large enough to be
# busy with, and 512 MB are 2,600 tokens of GPT-2's vocabulary.
LOGITS_BYTES = {"cpu": 2**23, "cuda": 2**29}


class SummedLoss(nn.Module):
    """A language model as the training loop sees it: the head is applied only where something has to be predicted."""

    def __init__(self, model: PreTrainedModel, objective: Objective) -> None:
        super().__init__()
        self.model = model
        self.objective = objective

    def forward(self, input_ids: Tensor, places: Tensor, targets: Tensor) -> Tensor:
        """Negative log-likelihood in nats, summed over the targets, fp32 [].

        Args:
            input_ids: int64 [rows, tokens]
            places: int64 [targets], flat positions in input_ids
            targets: int64 [targets], token ids
        """
        hidden = self.hidden(input_ids).flatten(0, 1).index_select(0, places)
        if self.objective == "causal":
            return linear_cross_entropy(hidden, self.model.lm_head.weight, None, targets)
        head = self.model.cls.predictions
        return linear_cross_entropy(head.transform(hidden), head.decoder.weight, head.decoder.bias, targets)

    def hidden(self, input_ids: Tensor) -> Tensor:
        """Last hidden states [rows, tokens, width]. Rows are full, so there is no attention mask to pass."""
        if self.objective == "causal":
            return self.model.transformer(input_ids, use_cache=False).last_hidden_state
        return self.model.bert(input_ids).last_hidden_state


def linear_cross_entropy(hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
    """`cross_entropy(hidden @ weight.T + bias, targets, reduction="sum")`, piece by piece, fp32 [].

    Args:
        hidden: [targets, width]
        weight: [vocabulary, width]
        bias: [vocabulary] or None
        targets: int64 [targets]
    """
    return _LinearCrossEntropy.apply(hidden, weight, bias, targets)


class _LinearCrossEntropy(torch.autograd.Function):
    """The gradient of a softmax is known as soon as its value is, so both are made while a piece of logits is at hand.

    That costs the same three matrix products as the plain way, and no logits are kept for the backward pass (the idea
    of Hsu et al. 2024, "Liger Kernel").
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
        device = hidden.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
        cast = weight.to(dtype)
        wants_gradient = any(ctx.needs_input_grad)
        grad_hidden = torch.empty_like(hidden) if wants_gradient else None
        grad_weight = torch.zeros_like(weight) if wants_gradient else None
        grad_bias = torch.zeros_like(bias) if wants_gradient and bias is not None else None
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        size = max(1, LOGITS_BYTES.get(device, 2**27) // (4 * weight.shape[0]))
        for start in range(0, len(targets), size):
            piece = slice(start, start + size)
            logits = F.linear(hidden[piece].to(dtype), cast).float()
            if bias is not None:
                logits += bias
            index = targets[piece, None]
            normalizer = logits.logsumexp(dim=1, keepdim=True)
            total += (normalizer - logits.gather(1, index)).sum()
            if grad_hidden is None or grad_weight is None:
                continue
            slope = (logits.sub_(normalizer)).exp_()  # softmax, less 1 at the target: d loss / d logits
            slope.scatter_add_(1, index, torch.full_like(index, -1, dtype=slope.dtype))
            if grad_bias is not None:
                grad_bias += slope.sum(0)
            slope = slope.to(dtype)
            grad_hidden[piece] = slope @ cast
            grad_weight += slope.T @ hidden[piece].to(dtype)
        ctx.save_for_backward(grad_hidden, grad_weight, grad_bias)
        return total

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        (scale,) = outputs
        return (*(None if gradient is None else gradient * scale for gradient in ctx.saved_tensors), None)
