"""Attend within rows so short that one program holds all scores of a head.

Attention for long rows (Dao 2023, "FlashAttention-2") goes over them in pieces, keeps sums for its way back, and adds
up the queries' gradient in fp32. Rows of up to 128 tokens need none of it. Queries, keys and values are read where one
matrix product has put them, side by side, and their gradients are written so.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

MOST_TOKENS = 128
HEAD_WIDTHS = (16, 32, 64)  # at 128 the way back takes 128 KB of shared memory, and many GPUs have 99
WARPS = (8, 4)  # forward and backward: the fastest of those tried on an H100


@torch.library.custom_op("wikilm::row_attention", mutates_args=())
def attend(packed: Tensor, bias: Tensor, heads: int) -> Tensor:
    """Causal attention of each token over those before it and itself, [rows, tokens, width].

    Args:
        packed: [rows, tokens, 3 x width] in bf16 or fp16: queries, keys and values, each by heads; tokens are at most
            `MOST_TOKENS`, and a head's width is one of `HEAD_WIDTHS`
        bias: [3 x width] to add to all of them. Here, since so its gradient is summed where the others are made
        heads: that share the width
    """
    rows, tokens, width, block = _sizes(packed)
    packed, mixed, head = packed.contiguous(), packed.new_empty(rows, tokens, width), width // heads
    _forward[(rows * heads,)](
        packed, bias, mixed, tokens, heads, head**-0.5,
        BLOCK=block, HEAD=head, num_warps=WARPS[0],
    )  # fmt: skip
    return mixed


@torch.library.custom_op("wikilm::row_attention_backward", mutates_args=())
def _attend_backward(packed: Tensor, bias: Tensor, gradient: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    rows, tokens, width, block = _sizes(packed)
    packed, gradient, head = packed.contiguous(), gradient.contiguous(), width // heads
    slopes = torch.empty_like(packed)
    sums = torch.empty(rows, 3 * width, dtype=torch.float32, device=packed.device)
    _backward[(rows * heads,)](
        packed, bias, gradient, slopes, sums, tokens, heads, head**-0.5,
        BLOCK=block, HEAD=head, num_warps=WARPS[1],
    )  # fmt: skip
    return slopes, sums.sum(0).to(bias.dtype)


@attend.register_fake
def _(packed: Tensor, bias: Tensor, heads: int) -> Tensor:
    rows, tokens, width, _ = _sizes(packed)
    return packed.new_empty(rows, tokens, width)


@_attend_backward.register_fake
def _(packed: Tensor, bias: Tensor, gradient: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    return packed.new_empty(packed.shape), torch.empty_like(bias)


def _kept(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    packed, bias, ctx.heads = inputs
    ctx.save_for_backward(packed, bias)


def _gradients(ctx, gradient):  # type: ignore[no-untyped-def]
    return *_attend_backward(*ctx.saved_tensors, gradient, ctx.heads), None


attend.register_autograd(_gradients, setup_context=_kept)


def _sizes(packed: Tensor) -> tuple[int, int, int, int]:
    rows, tokens, three_widths = packed.shape
    return rows, tokens, three_widths // 3, max(16, triton.next_power_of_2(tokens))


@triton.jit
def _part(packed, bias, place, inside):  # type: ignore[no-untyped-def]
    """Queries, keys or values of a head, [BLOCK, HEAD]; zeros where there is no token."""
    values = tl.load(packed, mask=inside, other=0.0)
    wide = values.to(tl.float32) + tl.load(bias + place).to(tl.float32)[None, :]
    return tl.where(inside, wide, 0.0).to(values.dtype)


@triton.jit
def _shares(queries, keys, token, scale):  # type: ignore[no-untyped-def]
    """How much each token attends to each, fp32 [BLOCK, BLOCK]."""
    scores = tl.dot(queries, tl.trans(keys)) * scale
    scores = tl.where(token[None, :] <= token[:, None], scores, float("-inf"))
    shares = tl.exp(scores - tl.max(scores, 1)[:, None])
    return shares / tl.sum(shares, 1)[:, None]


@triton.jit
def _forward(packed, bias, mixed, tokens, heads, scale, BLOCK: tl.constexpr, HEAD: tl.constexpr):  # type: ignore[no-untyped-def]
    row, head = (tl.program_id(0) // heads).to(tl.int64), tl.program_id(0) % heads
    token, place, width = tl.arange(0, BLOCK), tl.arange(0, HEAD), heads * HEAD
    inside = token[:, None] < tokens
    packed += row * tokens * 3 * width + head * HEAD + token[:, None] * 3 * width + place[None, :]
    bias += head * HEAD
    queries = _part(packed, bias, place, inside)
    keys = _part(packed + width, bias + width, place, inside)
    values = _part(packed + 2 * width, bias + 2 * width, place, inside)
    shares = _shares(queries, keys, token, scale)
    mixed += row * tokens * width + head * HEAD + token[:, None] * width + place[None, :]
    tl.store(mixed, tl.dot(shares.to(values.dtype), values).to(values.dtype), mask=inside)


@triton.jit
def _write(slopes, sums, gradient, place, inside):  # type: ignore[no-untyped-def]
    """Write a gradient [BLOCK, HEAD], fp32, and its sum over a row's tokens; it is zero where there is no token."""
    tl.store(slopes, gradient.to(slopes.dtype.element_ty), mask=inside)
    tl.store(sums + place, tl.sum(gradient, 0))


@triton.jit
def _backward(  # type: ignore[no-untyped-def]
    packed, bias, gradient, slopes, sums, tokens, heads, scale, BLOCK: tl.constexpr, HEAD: tl.constexpr
):
    row, head = (tl.program_id(0) // heads).to(tl.int64), tl.program_id(0) % heads
    token, place, width = tl.arange(0, BLOCK), tl.arange(0, HEAD), heads * HEAD
    inside = token[:, None] < tokens
    start = row * tokens * 3 * width + head * HEAD + token[:, None] * 3 * width + place[None, :]
    packed, slopes = packed + start, slopes + start
    bias, sums = bias + head * HEAD, sums + row * 3 * width + head * HEAD
    queries = _part(packed, bias, place, inside)
    keys = _part(packed + width, bias + width, place, inside)
    values = _part(packed + 2 * width, bias + 2 * width, place, inside)
    gradient += row * tokens * width + head * HEAD + token[:, None] * width + place[None, :]
    wanted = tl.load(gradient, mask=inside, other=0.0)
    shares = _shares(queries, keys, token, scale)
    by_value = tl.dot(tl.trans(shares.to(keys.dtype)), wanted)
    _write(slopes + 2 * width, sums + 2 * width, by_value, place, inside)
    by_share = tl.dot(wanted, tl.trans(values))
    by_score = (shares * (by_share - tl.sum(shares * by_share, 1)[:, None]) * scale).to(keys.dtype)
    _write(slopes, sums, tl.dot(by_score, keys), place, inside)
    _write(slopes + width, sums + width, tl.dot(tl.trans(by_score), queries), place, inside)
