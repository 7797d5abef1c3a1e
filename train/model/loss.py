"""Compute the summed cross entropy of a batch's targets without ever holding all logits at once."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertModel, PreTrainedModel

from train.model.attention import attend_over_full_rows
from train.model.compiling import has_kernels
from train.model.fused_gpt2 import use_kernels
from train.model.left_out import attended_left_out
from train.model.precision import carry_in_bf16, product_dtype
from train.plan import IGNORED

if TYPE_CHECKING:
    from train.settings import Objective

# Targets whose logits are held at once on a CPU. Fewer would read the head, and write its gradient, once more for every
# few targets: twice the time at 16. More are no faster, and 256 are 51 MB at GPT-2's vocabulary.
CPU_TARGETS = 256
GPU_SHARE = 8  # of a GPU's memory, one part for logits, since a GPU wants pieces large enough to be busy with
LOGIT_BYTES = 8  # of a logit at once, at most: in fp32, and in bf16 as it was computed and as its gradient goes on
SOME_MEMORY = 2**33  # bytes, of an accelerator that is no CUDA device
# The head's rows are made up to a multiple of this, since tensor cores want aligned ones: 50,257 are 50,304.
MULTIPLE = {"cuda": 128}


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
        carry_in_bf16(model)
        self.model = model
        self.objective = objective
        self._left_out = left_out
        self._sum: Callable[..., Tensor] = self._summed
        self._kernels = backend is not None and has_kernels(model.device)
        if self._kernels:
            use_kernels(model)
        if backend is not None:
            # Shapes stay as they are (see `Feed`), so none is made a variable; what would break the graph is an error.
            # The method and not the module: what Accelerate wraps around `forward` stays outside.
            self._sum = torch.compile(self._summed, backend=backend, fullgraph=True, dynamic=False)

    def forward(self, input_ids: Tensor, positions: Tensor, targets: Tensor) -> Tensor:
        """Negative log-likelihood in nats, summed over the targets, fp32 [].

        Args:
            input_ids: int64 [rows, tokens]
            positions: int64 [targets], flat positions in input_ids; of a causal model all but the last of each row
            targets: int64 [targets], token ids; where compiled, `IGNORED` for what only fills the shape
        """
        return self._sum(input_ids, positions, targets)

    def _summed(self, input_ids: Tensor, positions: Tensor, targets: Tensor) -> Tensor:
        if self.objective == "causal":
            # Given ids, `transformers` would look for padding among them, and wait for the device to tell
            embedded = self.model.get_input_embeddings()(input_ids)
            hidden = self.model.base_model(inputs_embeds=embedded, use_cache=False).last_hidden_state
            hidden = hidden[:, :-1].flatten(0, 1)  # at `positions`, without gathering and scattering
            return linear_cross_entropy(hidden, self.model.lm_head.weight, None, targets, kernels=self._kernels)
        head = self.model.cls.predictions
        hidden = head.transform(bert_states_at(self.model.bert, input_ids, positions, self._left_out))
        return linear_cross_entropy(hidden, head.decoder.weight, head.decoder.bias, targets, kernels=self._kernels)


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


def linear_cross_entropy(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, *, kernels: bool = False
) -> Tensor:
    """`cross_entropy(hidden @ weight.T + bias, targets, reduction="sum", ignore_index=IGNORED)`, fp32 [], in pieces.

    The gradient of a softmax is known as soon as its value is, so both are made while a piece of logits is at hand.
    That costs the same three matrix products as the plain way, and no logits are kept for the backward pass (the idea
    of Hsu et al. 2024, "Liger Kernel").

    Args:
        hidden: [targets, width]
        weight: [vocabulary, width]
        bias: [vocabulary] or None
        targets: int64 [targets]
        kernels: use those of `train.model.kernels`
    """
    if len(hidden) != len(targets):
        raise ValueError(f"{len(hidden)} hidden states for {len(targets)} targets")
    parameters = (hidden, weight) if bias is None else (hidden, weight, bias)
    wants_gradient = torch.is_grad_enabled() and any(parameter.requires_grad for parameter in parameters)
    total, *_ = _with_gradients(hidden.to(product_dtype(hidden)), weight, bias, targets, wants_gradient, kernels)
    return total


@torch.library.custom_op("wikilm::linear_cross_entropy", mutates_args=())
def _with_gradients(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, wants_gradient: bool, kernels: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The loss and its gradients, empty where none are wanted; one operation to a compiler, which has nothing to fuse.

    Products are in the dtype of the hidden states. An autograd function would do, but for DDP, which cannot split a
    graph that has one in it.
    """
    dtype, vocabulary = hidden.dtype, len(weight)
    cast, bias = padded(weight.to(dtype), bias)
    grad_hidden = torch.empty_like(hidden) if wants_gradient else hidden.new_empty(0)
    grad_weight = torch.empty_like(cast, dtype=weight.dtype) if wants_gradient else weight.new_empty(0)
    grad_bias = torch.zeros_like(bias) if wants_gradient and bias is not None else weight.new_empty(0)
    total = torch.zeros((), dtype=torch.float32, device=hidden.device)
    made, logits_dtype = losses_and_slopes_, torch.float32
    if kernels:  # which need no logits in fp32
        from train.model.kernels import losses_and_slopes_ as made

        logits_dtype = dtype
    size = targets_at_a_time(hidden.device, len(targets), len(cast), dtype.itemsize if kernels else LOGIT_BYTES)
    # One buffer for all pieces: to ask for fresh memory each time takes 10 % longer on a CPU
    buffer = torch.empty(min(size, len(targets)), len(cast), dtype=logits_dtype, device=hidden.device)
    for start in range(0, len(targets), max(1, size)):
        inputs, wanted = hidden[start : start + size], targets[start : start + size]
        logits = product(inputs, cast.T, buffer[: len(inputs)])
        if bias is not None:
            logits += bias
        total += made(logits, wanted, vocabulary).sum()
        if not wants_gradient:
            continue
        if bias is not None:
            grad_bias += logits.sum(0, dtype=grad_bias.dtype)
        slopes = logits.to(dtype)
        product(slopes, cast, grad_hidden[start : start + size])
        add_product_(grad_weight, slopes.T, inputs, first=start == 0)
    if not len(targets):
        grad_weight.zero_()
    if len(cast) > vocabulary:  # views of what is wanted; where all is, none, which autograd could not add to in place
        grad_weight, grad_bias = grad_weight[:vocabulary], grad_bias[:vocabulary]
    return total, grad_hidden, grad_weight, grad_bias


@_with_gradients.register_fake
def _(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, wants_gradient: bool, kernels: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    total = torch.empty((), dtype=torch.float32, device=hidden.device)
    if not wants_gradient:
        return total, hidden.new_empty(0), weight.new_empty(0), weight.new_empty(0)
    return (
        total, torch.empty_like(hidden), torch.empty_like(weight),
        weight.new_empty(0) if bias is None else torch.empty_like(bias),
    )  # fmt: skip


def _keep_gradients(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    _, *gradients = output
    ctx.mark_non_differentiable(*gradients)
    ctx.set_materialize_grads(False)  # or autograd makes zeros for each of them, as large as a head
    ctx.has_bias = inputs[2] is not None
    ctx.save_for_backward(*gradients)


def _scaled_gradients(ctx: Any, scale: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
    hidden, weight, bias = (
        # In place, since fresh memory for a head's gradient costs more than all else here; a second backward is refused
        gradient * scale if torch.compiler.is_compiling() else gradient.mul_(scale)
        for gradient in ctx.saved_tensors
    )
    return hidden, weight, bias if ctx.has_bias else None, None, None, None


_with_gradients.register_autograd(_scaled_gradients, setup_context=_keep_gradients)


def losses_and_slopes_(logits: Tensor, targets: Tensor, vocabulary: int) -> Tensor:
    """Return the cross entropy of each row, and leave d loss / d logits in the place of the logits.

    Args:
        logits: fp32 [rows, width]; what is beyond the vocabulary only fills a row
        targets: int64 [rows]; where `IGNORED`, there is no loss and no gradient
        vocabulary: entries that count
    """
    if logits.shape[1] > vocabulary:
        logits[:, vocabulary:] = -torch.inf  # no entries, so of no probability and no gradient
    ignored = targets == IGNORED
    index = targets.masked_fill(ignored, 0)[:, None]
    logs = torch.log_softmax(logits, 1, out=logits)
    losses = -logs.gather(1, index).squeeze(1).masked_fill_(ignored, 0)
    slopes = logs.exp_()  # softmax, less 1 at the target
    slopes.scatter_add_(1, index, torch.full_like(index, -1, dtype=slopes.dtype))
    if logits.device.type != "cpu" or ignored.any():  # where it is no CPU, to ask would be to wait
        slopes.masked_fill_(ignored[:, None], 0)
    return losses


def padded(weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """A head [vocabulary, width], with rows of zeros up to a `MULTIPLE` of its device; nothing outside sees them."""
    more = -len(weight) % MULTIPLE.get(weight.device.type, 1)
    if not more:
        return weight, bias
    return F.pad(weight, (0, 0, 0, more)), None if bias is None else F.pad(bias, (0, more))


def targets_at_a_time(device: torch.device, targets: int, vocabulary: int, logit_bytes: int = LOGIT_BYTES) -> int:
    """Return how many of the targets have their logits held at once."""
    if device.type == "cpu":
        return CPU_TARGETS
    memory = torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else SOME_MEMORY
    most = max(1, memory // (GPU_SHARE * logit_bytes * vocabulary))
    pieces = max(1, -(-targets // most))
    return -(-targets // pieces)  # as many in each piece, since a small one leaves a GPU idle


def product(left: Tensor, right: Tensor, out: Tensor) -> Tensor:
    """`left @ right` in `out`, whatever the dtypes."""
    return torch.mm(left, right, out=out) if left.dtype == out.dtype else out.copy_(left @ right)


def add_product_(total: Tensor, left: Tensor, right: Tensor, *, first: bool) -> None:
    """`total += left @ right`, whatever the dtypes, and where it is the `first` without what was in `total` before.

    A GPU sums up in the dtype of `total`; elsewhere a product has that of its factors.
    """
    if first and not total.is_cuda:
        product(left, right, total)
        return
    if first:
        total.zero_()
    if left.dtype == total.dtype:
        total.addmm_(left, right)
    elif total.is_cuda:
        torch.addmm(total, left, right, out_dtype=total.dtype, out=total)
    else:
        total += left @ right
