"""Run GPU kernels by Triton's interpreter, and print how far each is from torch, as JSON.

What is run is the argument: `attention`, `loss`, or a `model` with both. In a process of its own: Triton decides when
it is first imported whether it interprets. In fp32 and fp16, since its interpreter does not multiply in bf16.
"""

import json
import os
import sys
from collections.abc import Callable

os.environ["TRITON_INTERPRET"] = "1"

import torch
from torch import Tensor
from torch.nn import functional as F

import train.model.kernels.cross_entropy as cross_entropy
import train.model.loss
from tests.helpers.training import SHAPE, TOKENIZER, make_settings
from train.model.build import build
from train.model.kernels import attend, losses_and_slopes_
from train.model.loss import SummedLoss
from train.plan import causal_batch
from train.plan.batch import IGNORED

ATTENTION = [(128, 2, 64), (24, 3, 16), (7, 1, 32), (1, 2, 16)]  # tokens, heads, width of a head
LOSSES = [(9, 200, 256), (3, 64, 64), (4, 65, 128)]  # rows, entries, width of a row
HALF = torch.float16


def relative(found: Tensor, right: Tensor) -> float:
    """The distance of two tensors by the length of the right one."""
    found, right = found.detach().double(), right.detach().double()
    return float((found - right).norm() / right.norm().clamp(min=1e-12))


def attention(tokens: int, heads: int, width: int, dtype: torch.dtype) -> float:
    """The greatest distance of a value and its gradients from those of torch's attention in fp64."""
    packed, bias = torch.randn(3, tokens, 3 * heads * width).to(dtype), torch.randn(3 * heads * width)
    slope = torch.randn(3, tokens, heads * width).to(dtype)

    def plain(packed: Tensor, bias: Tensor) -> Tensor:
        parts = (part.unflatten(2, (heads, -1)).transpose(1, 2) for part in (packed + bias).chunk(3, 2))
        return F.scaled_dot_product_attention(*parts, is_causal=True).transpose(1, 2).flatten(2)

    found = _with_gradients(lambda *x: attend(*x, heads), slope, packed, bias)
    right = _with_gradients(plain, slope.double(), packed.double(), bias.double())
    return max(relative(*pair) for pair in zip(found, right, strict=True))


def _with_gradients(function: Callable[..., Tensor], slope: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    inputs = tuple(tensor.clone().requires_grad_() for tensor in inputs)
    value = function(*inputs)
    return value, *torch.autograd.grad(value, inputs, slope)


def loss(rows: int, entries: int, width: int, dtype: torch.dtype) -> float:
    """The greatest distance of losses and slopes from those of `cross_entropy`; infinite where a filler has a slope."""
    logits, targets = (3 * torch.randn(rows, width)).to(dtype), torch.randint(entries, (rows,))
    targets[1] = IGNORED
    exact = logits[:, :entries].double().requires_grad_()
    right = F.cross_entropy(exact, targets, reduction="none", ignore_index=IGNORED)
    (slopes,) = torch.autograd.grad(right.sum(), exact)
    found = losses_and_slopes_(logits, targets, entries)
    if logits[:, entries:].any() or logits[1].any() or found[1]:
        return float("inf")
    return max(relative(found, right), relative(logits[:, :entries], slopes))


def model(dtype: torch.dtype, dropout: float) -> dict[str, float]:
    """The distances of a GPT-2's loss and gradients with kernels from those without; and how many layers use one."""
    used = []
    outcomes = []
    for kernels in (True, False):
        torch._dynamo.reset()
        train.model.loss.has_kernels = lambda device, kernels=kernels: kernels
        gpt2 = build("causal", make_settings("causal", **SHAPE | {"width": 32}, dropout=dropout), TOKENIZER, 24)
        ids = torch.randint(398, (3, 24), generator=torch.Generator().manual_seed(0))
        batch = [torch.from_numpy(part) for part in vars(causal_batch(ids.numpy())).values()]
        summed = SummedLoss(gpt2, "causal", "eager" if kernels else None)
        torch.manual_seed(0)
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            value = summed(*batch)
        gradients = torch.autograd.grad(value / len(batch[2]), list(gpt2.parameters()))
        outcomes.append((value, *gradients))
        used.append(sum("forward" in vars(block.attn) for block in gpt2.transformer.h))
        prompt = {"input_ids": ids[:1, :5], "attention_mask": torch.ones(1, 5), "max_new_tokens": 8, "do_sample": False}
        outcomes[-1] += (gpt2.eval().generate(**prompt),)
    apart = max(relative(*pair) for pair in zip(*outcomes, strict=True))
    return {"apart": apart, "with kernels": used[0], "without": used[1]}


def every_attention() -> dict[str, float]:
    """`attention` by what it was given."""
    return {f"{dtype} {sizes}": attention(*sizes, dtype) for sizes in ATTENTION for dtype in (torch.float32, HALF)}


def every_loss() -> dict[str, float]:
    """`loss` by what it was given."""
    cross_entropy.BLOCK = 64  # so that a row takes several
    return {f"{dtype} {sizes}": loss(*sizes, dtype) for sizes in LOSSES for dtype in (torch.float32, HALF)}


def every_model() -> dict[str, dict[str, float]]:
    """`model` with and without dropout."""
    return {name: model(HALF, dropout) for name, dropout in {"none": 0.0, "some": 0.1}.items()}


if __name__ == "__main__":
    torch.manual_seed(0)
    print(json.dumps({"attention": every_attention, "loss": every_loss, "model": every_model}[sys.argv[1]]()))
