"""Compute the summed cross entropy of a batch's targets without ever holding all logits at once."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertModel, PreTrainedModel

from train.settings import Objective

# Targets whose logits are held at once on a CPU. Fewer would read the head, and write its gradient, once more for every
# few targets: twice the time at 16. More are no faster, and 256 are 51 MB at GPT-2's vocabulary.
CPU_TARGETS = 256
GPU_LOGITS_BYTES = 2**29  # a GPU wants pieces large enough to be busy with: 2,600 targets of GPT-2's vocabulary


class SummedLoss(nn.Module):
    """A language model whose output is its loss; the head is applied only where something has to be predicted."""

    def __init__(self, model: PreTrainedModel, objective: Objective) -> None:
        super().__init__()
        self.model = model
        self.objective = objective

    def forward(self, input_ids: Tensor, positions: Tensor, targets: Tensor) -> Tensor:
        """Negative log-likelihood in nats, summed over the targets, fp32 [].

        Args:
            input_ids: int64 [rows, tokens]
            positions: int64 [targets], flat positions in input_ids
            targets: int64 [targets], token ids
        """
        if self.objective == "causal":
            hidden = self.model.base_model(input_ids, use_cache=False).last_hidden_state  # GPT-2 or Llama
            return linear_cross_entropy(states_at(hidden, positions), self.model.lm_head.weight, None, targets)
        head = self.model.cls.predictions
        hidden = head.transform(bert_states_at(self.model.bert, input_ids, positions))
        return linear_cross_entropy(hidden, head.decoder.weight, head.decoder.bias, targets)


def states_at(hidden: Tensor, positions: Tensor) -> Tensor:
    """Return the hidden states [positions, width] at flat positions of [rows, tokens, width]."""
    return hidden.flatten(0, 1).index_select(0, positions)


def bert_states_at(bert: BertModel, input_ids: Tensor, positions: Tensor) -> Tensor:
    """BERT's last hidden states [positions, width] at flat positions of the rows, which are full and need no mask.

    The last block's feed-forward network, which sees each token alone, is applied at these positions only. At half of
    all positions a two-layer model saves a sixth of its arithmetic, and the numbers are the same.
    """
    hidden = bert.embeddings(input_ids)
    *before, last = bert.encoder.layer
    for layer in before:
        hidden = layer(hidden)
    attended, _ = last.attention(hidden)
    return last.feed_forward_chunk(states_at(attended, positions))


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
        size = targets_at_a_time(device, weight.shape[0])
        # One buffer for all pieces: to ask for fresh memory each time takes 10 % longer on a CPU
        buffer = torch.empty(min(size, len(targets)), weight.shape[0], dtype=torch.float32, device=hidden.device)
        for start in range(0, len(targets), size):
            piece = slice(start, start + size)
            inputs, index = hidden[piece].to(dtype), targets[piece, None]
            logits = product(inputs, cast.T, buffer[: len(inputs)])
            if bias is not None:
                logits += bias
            logs = torch.log_softmax(logits, 1, out=logits)
            total -= logs.gather(1, index).sum()
            if grad_hidden is None or grad_weight is None:
                continue
            slope = logs.exp_()  # softmax, less 1 at the target: d loss / d logits
            slope.scatter_add_(1, index, torch.full_like(index, -1, dtype=slope.dtype))
            if grad_bias is not None:
                grad_bias += slope.sum(0)
            slope = slope.to(dtype)
            product(slope, cast, grad_hidden[piece])
            if dtype == grad_weight.dtype:
                grad_weight.addmm_(slope.T, inputs)
            else:
                grad_weight += slope.T @ inputs
        ctx.save_for_backward(grad_hidden, grad_weight, grad_bias)
        return total

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        (scale,) = outputs
        return (*(None if gradient is None else gradient * scale for gradient in ctx.saved_tensors), None)


def targets_at_a_time(device: str, vocabulary: int) -> int:
    """Return the rows of logits that are held at once."""
    return CPU_TARGETS if device == "cpu" else max(1, GPU_LOGITS_BYTES // (4 * vocabulary))


def product(left: Tensor, right: Tensor, out: Tensor) -> Tensor:
    """`left @ right` in `out`, whatever the dtypes."""
    return torch.mm(left, right, out=out) if left.dtype == out.dtype else out.copy_(left @ right)
