"""Compute the summed cross entropy of a batch's targets without ever holding all logits at once."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertModel, PreTrainedModel

from train.model.attention import attend_over_full_rows
from train.model.left_out import attended_left_out
from train.plan import IGNORED

if TYPE_CHECKING:
    from train.settings import Objective

# Targets whose logits are held at once on a CPU. Fewer would read the head, and write its gradient, once more for every
# few targets: twice the time at 16. More are no faster, and 256 are 51 MB at GPT-2's vocabulary.
CPU_TARGETS = 256
GPU_SHARE = 8  # of a GPU's memory, one part for logits, since a GPU wants pieces large enough to be busy with
LOGIT_BYTES = 8  # of a logit at once, at most: in fp32, and in bf16 as it was computed and as its gradient goes on
TRACED_BYTES = 4  # of a logit in a graph that is fused: in bf16, and its gradient
SOME_MEMORY = 2**33  # bytes, of an accelerator that is no CUDA device
TRACED_PIECES = 8  # of the CPU's are one where the pieces are unrolled into a graph, which takes its time to compile
# The head's rows are made up to a multiple of this, since tensor cores want aligned ones: 50,257 are 50,304.
MULTIPLE = {"cuda": 128}


CrossEntropy: TypeAlias = Callable[[Tensor, Tensor, Tensor | None, Tensor], Tensor]


class SummedLoss(nn.Module):
    """A language model whose output is its loss; the head is applied only where something has to be predicted."""

    def __init__(
        self, model: PreTrainedModel, objective: "Objective", backend: str | None = None, left_out: int | None = None
    ) -> None:
        """Args:
        model: a GPT-2 or BERT, which ignores attention masks from now on.
        objective: what it learns.
        backend: of torch.compile, which makes one graph of model and loss; None to compile nothing.
        left_out: id of the mask, where a BERT of one layer predicts each token as if that one were masked.
        """
        super().__init__()
        attend_over_full_rows(model)
        self.model = model
        self.objective = objective
        self._left_out = left_out
        self._cross_entropy: CrossEntropy = linear_cross_entropy
        self._sum: Callable[..., Tensor] = self._summed
        if backend is not None:
            size = targets_at_a_time(model.device, model.config.vocab_size, traced=True)
            self._cross_entropy = partial(traced_cross_entropy, size=size)
            # Shapes stay as they are (see `Feed`), so none is made a variable; what would break the graph is an error.
            # The method and not the module: what Accelerate wraps around `forward` stays outside.
            self._sum = torch.compile(self._summed, backend=backend, fullgraph=True, dynamic=False)

    def forward(self, input_ids: Tensor, positions: Tensor, targets: Tensor) -> Tensor:
        """Negative log-likelihood in nats, summed over the targets, fp32 [].

        Args:
            input_ids: int64 [rows, tokens]
            positions: int64 [targets], flat positions in input_ids
            targets: int64 [targets], token ids; where compiled, `IGNORED` for what only fills the shape
        """
        return self._sum(input_ids, positions, targets)

    def _summed(self, input_ids: Tensor, positions: Tensor, targets: Tensor) -> Tensor:
        if self.objective == "causal":
            # Given ids, `transformers` would look for padding among them, and wait for the device to tell
            embedded = self.model.get_input_embeddings()(input_ids)
            hidden = self.model.base_model(inputs_embeds=embedded, use_cache=False).last_hidden_state
            return self._cross_entropy(states_at(hidden, positions), self.model.lm_head.weight, None, targets)
        head = self.model.cls.predictions
        hidden = head.transform(bert_states_at(self.model.bert, input_ids, positions, self._left_out))
        return self._cross_entropy(hidden, head.decoder.weight, head.decoder.bias, targets)


def states_at(hidden: Tensor, positions: Tensor) -> Tensor:
    """Return the hidden states [positions, width] at flat positions of [rows, tokens, width]."""
    return hidden.flatten(0, 1).index_select(0, positions)


def bert_states_at(bert: BertModel, input_ids: Tensor, positions: Tensor, left_out: int | None = None) -> Tensor:
    """BERT's last hidden states [positions, width] at flat positions of the rows, which are full and need no mask.

    The last block's feed-forward network, which sees each token alone, is applied at these positions only. At half of
    all positions a two-layer model saves a sixth of its arithmetic, and the numbers are the same.
    """
    *before, last = bert.encoder.layer
    if left_out is not None:
        return last.feed_forward_chunk(states_at(attended_left_out(bert, input_ids, left_out), positions))
    hidden = bert.embeddings(input_ids)
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
        dtype, vocabulary = product_dtype(hidden), len(weight)
        cast, bias = padded(weight.to(dtype), bias)
        wants_gradient = any(ctx.needs_input_grad)
        grad_hidden = torch.empty_like(hidden) if wants_gradient else None
        grad_weight = torch.zeros_like(cast, dtype=weight.dtype) if wants_gradient else None
        grad_bias = torch.zeros_like(bias) if wants_gradient and bias is not None else None
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        size = targets_at_a_time(hidden.device, len(cast))
        # One buffer for all pieces: to ask for fresh memory each time takes 10 % longer on a CPU
        buffer = torch.empty(min(size, len(targets)), len(cast), dtype=torch.float32, device=hidden.device)
        for start in range(0, len(targets), size):
            piece = slice(start, start + size)
            inputs, index = hidden[piece].to(dtype), targets[piece, None]
            logits = product(inputs, cast.T, buffer[: len(inputs)])
            if bias is not None:
                logits += bias
            if len(cast) > vocabulary:
                logits[:, vocabulary:] = -torch.inf  # no entries, so of no probability and no gradient
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
        kept = (None if gradient is None else gradient[:vocabulary] for gradient in (grad_weight, grad_bias))
        ctx.save_for_backward(grad_hidden, *kept)
        return total

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        (scale,) = outputs
        return (*(None if gradient is None else gradient * scale for gradient in ctx.saved_tensors), None)


def traced_cross_entropy(hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, size: int) -> Tensor:
    """The same in operations that a compiler fuses, so that no logits in fp32 are ever written.

    All at once, or in pieces of `size` targets where that is less. Targets that are `IGNORED` count for nothing.
    """
    vocabulary = len(weight)
    head = padded(weight.to(product_dtype(hidden)), bias)
    pieces = list(zip(hidden.split(size), targets.split(size), strict=True))
    if len(pieces) > 1 and torch.is_grad_enabled():
        return _with_known_gradients(pieces, hidden, weight, bias)
    total = torch.zeros((), dtype=torch.float32, device=hidden.device)
    for inputs, wanted in pieces:
        logits = F.linear(inputs.to(head[0].dtype), *head)[:, :vocabulary].float()
        total = total + F.cross_entropy(logits, wanted, reduction="sum", ignore_index=IGNORED)
    return total


def _with_known_gradients(
    pieces: list[tuple[Tensor, Tensor]], hidden: Tensor, weight: Tensor, bias: Tensor | None
) -> Tensor:
    """As `_LinearCrossEntropy`, in plain operations: DDP cannot split a graph that has an autograd function in it."""
    vocabulary = len(weight)
    with torch.no_grad():
        cast, wide = padded(weight.to(product_dtype(hidden)), bias)
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        grad_weight = torch.zeros_like(cast, dtype=torch.float32)
        grad_bias = torch.zeros(len(cast), dtype=torch.float32, device=hidden.device)
        grads_hidden = []
        entries = torch.arange(len(cast), device=hidden.device)
        for piece, wanted in pieces:
            inputs, counts = piece.to(cast.dtype), (wanted != IGNORED)[:, None]
            logits = F.linear(inputs, cast, wide).float().masked_fill(entries >= vocabulary, -torch.inf)
            logs = logits.log_softmax(1)
            at_target = entries == wanted[:, None]
            total = total - logs.masked_fill(~at_target, 0).sum()
            slope = ((logs.exp() - at_target.float()) * counts).to(cast.dtype)
            grads_hidden.append(slope @ cast)
            grad_weight = grad_weight + slope.T @ inputs
            grad_bias = grad_bias + slope.sum(0, dtype=torch.float32)
    # A sum of the value 0, whose gradients are those found
    carried = (hidden * torch.cat(grads_hidden)).sum() + (weight * grad_weight[:vocabulary]).sum()
    if bias is not None:
        carried = carried + (bias * grad_bias[:vocabulary]).sum()
    return total + (carried - carried.detach())


def padded(weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """A head [vocabulary, width], with rows of zeros up to a `MULTIPLE` of its device; nothing outside sees them."""
    more = -len(weight) % MULTIPLE.get(weight.device.type, 1)
    if not more:
        return weight, bias
    return F.pad(weight, (0, 0, 0, more)), None if bias is None else F.pad(bias, (0, more))


def product_dtype(hidden: Tensor) -> torch.dtype:
    """Return in what matrix products are taken: autocast does not reach into an autograd function."""
    device = hidden.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype


def targets_at_a_time(device: torch.device, vocabulary: int, *, traced: bool = False) -> int:
    """Return the rows of logits that are held at once, by pieces of a loop or of a graph that was traced."""
    if device.type == "cpu":
        return CPU_TARGETS * (TRACED_PIECES if traced else 1)
    memory = torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else SOME_MEMORY
    return max(1, memory // (GPU_SHARE * (TRACED_BYTES if traced else LOGIT_BYTES) * vocabulary))


def product(left: Tensor, right: Tensor, out: Tensor) -> Tensor:
    """`left @ right` in `out`, whatever the dtypes."""
    return torch.mm(left, right, out=out) if left.dtype == out.dtype else out.copy_(left @ right)
