"""Say how far the kernels of `train.model.kernels`, values and gradients, are from torch in fp64."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from train.model.kernels import attend, losses_and_slopes_
from train.plan import IGNORED


def attention(rows: int, tokens: int, heads: int, width: int, dtype: torch.dtype, device: torch.device) -> float:
    """The greatest distance of `attend` from torch's attention; `width` is that of a head."""
    packed = torch.randn(rows, tokens, 3 * heads * width, device=device).to(dtype)
    bias = torch.randn(3 * heads * width, device=device)
    slope = torch.randn(rows, tokens, heads * width, device=device).to(dtype)

    def plain(packed: Tensor, bias: Tensor) -> Tensor:
        parts = (part.unflatten(2, (heads, -1)).transpose(1, 2) for part in (packed + bias).chunk(3, 2))
        return F.scaled_dot_product_attention(*parts, is_causal=True).transpose(1, 2).flatten(2)

    found = _with_gradients(lambda *inputs: attend(*inputs, heads), slope, packed, bias)
    right = _with_gradients(plain, slope.double(), packed.double(), bias.double())
    return max(relative(*pair) for pair in zip(found, right, strict=True))


def loss(rows: int, entries: int, width: int, dtype: torch.dtype, device: torch.device) -> float:
    """The greatest distance of `losses_and_slopes_` from cross entropy; infinite where what does not count has a slope.

    The second row's target is `IGNORED`; entries beyond `entries` only fill a row of `width`.
    """
    logits = (3 * torch.randn(rows, width, device=device)).to(dtype)
    targets = torch.randint(entries, (rows,), device=device)
    targets[1] = IGNORED
    exact = logits[:, :entries].double().requires_grad_()
    right = F.cross_entropy(exact, targets, reduction="none", ignore_index=IGNORED)
    (slopes,) = torch.autograd.grad(right.sum(), exact)
    found = losses_and_slopes_(logits, targets, entries)
    if logits[:, entries:].any() or logits[1].any() or found[1]:
        return float("inf")
    return max(relative(found, right), relative(logits[:, :entries], slopes))


def relative(found: Tensor, right: Tensor) -> float:
    """The distance of two tensors by the length of the right one."""
    found, right = found.detach().double(), right.detach().double()
    return float((found - right).norm() / right.norm().clamp(min=1e-12))


def _with_gradients(function: Callable[..., Tensor], slope: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    inputs = tuple(tensor.clone().requires_grad_() for tensor in inputs)
    value = function(*inputs)
    return value, *torch.autograd.grad(value, inputs, slope)
