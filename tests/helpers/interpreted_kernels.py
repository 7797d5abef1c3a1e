"""Run GPU kernels by Triton's interpreter, and print how far each is from torch, as JSON.

What is run is the argument: `attention`, `loss`, or a `model` with both. In a process of its own: Triton decides when
it is first imported whether it interprets. In fp32 and fp16, since its interpreter does not multiply in bf16.
"""

import json
import os
import sys

os.environ["TRITON_INTERPRET"] = "1"

import torch

import train.model.kernels.cross_entropy as cross_entropy
import train.model.loss
from benchmarks.kernel_distances import attention, loss, relative
from tests.helpers.training import SHAPE, TOKENIZER, make_settings
from train.model.build import build
from train.model.loss import SummedLoss
from train.plan import causal_batch

ATTENTION = [(128, 2, 64), (24, 3, 16), (7, 1, 32), (1, 2, 16)]  # tokens, heads, width of a head
LOSSES = [(9, 200, 256), (3, 64, 64), (4, 65, 128)]  # rows, entries, width of a row
HALF, CPU = torch.float16, torch.device("cpu")


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
    return {
        f"{dtype} {sizes}": attention(3, *sizes, dtype, CPU) for sizes in ATTENTION for dtype in (torch.float32, HALF)
    }


def every_loss() -> dict[str, float]:
    """`loss` by what it was given."""
    cross_entropy.BLOCK = 64  # so that a row takes several
    return {f"{dtype} {sizes}": loss(*sizes, dtype, CPU) for sizes in LOSSES for dtype in (torch.float32, HALF)}


def every_model() -> dict[str, dict[str, float]]:
    """`model` with and without dropout."""
    return {name: model(HALF, dropout) for name, dropout in {"none": 0.0, "some": 0.1}.items()}


if __name__ == "__main__":
    torch.manual_seed(0)
    print(json.dumps({"attention": every_attention, "loss": every_loss, "model": every_model}[sys.argv[1]]()))
