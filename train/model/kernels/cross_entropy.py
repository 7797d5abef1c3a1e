"""Turn logits into the gradient of their cross entropy where they lie.

The compiler reads all logits once for the softmax, and once more to write a gradient beside them. Here a program has a
row: its second reading finds the row in the cache, and no second table of logits is held.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from train.plan import IGNORED

BLOCK, WARPS = 4096, 8  # entries that a program holds at once; the fastest of those tried on an H100


def losses_and_slopes_(logits: Tensor, targets: Tensor, vocabulary: int) -> Tensor:
    """Return the cross entropy of each row, fp32 [rows], and leave d loss / d logits in the place of the logits.

    Args:
        logits: [rows, width] of any float dtype, a row without gaps
        targets: int64 [rows]; a row whose target is `IGNORED` has no loss and no gradient
        vocabulary: entries that count; what is beyond them in a row only fills it, and gets no gradient
    """
    rows, width = logits.shape
    losses = torch.empty(rows, dtype=torch.float32, device=logits.device)
    _rows[(rows,)](
        logits, targets, losses, logits.stride(0), vocabulary, width, IGNORED, BLOCK=BLOCK, num_warps=WARPS
    )  # fmt: skip
    return losses


@triton.jit
def _rows(logits, targets, losses, stride, vocabulary, width, ignored, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0).to(tl.int64)  # rows x entries are more than 2^31
    logits += row * stride
    target = tl.load(targets + row)
    counts = target != ignored
    # Before anything is overwritten: the maxima below make all threads of the program wait for one another
    at_target = tl.load(logits + tl.where(counts, target, 0)).to(tl.float32)
    greatest = float("-inf")
    total = 0.0
    for start in range(0, vocabulary, BLOCK):
        at = start + tl.arange(0, BLOCK)
        values = tl.load(logits + at, mask=at < vocabulary, other=float("-inf")).to(tl.float32)
        greater = tl.maximum(greatest, tl.max(values, 0))
        total = total * tl.exp(greatest - greater) + tl.sum(tl.exp(values - greater), 0)
        greatest = greater
    log_total = greatest + tl.log(total)
    tl.store(losses + row, tl.where(counts, log_total - at_target, 0.0))
    last = tl.cdiv(width, BLOCK) * BLOCK - BLOCK
    for start in range(0, width, BLOCK):  # from the end, which is what the cache still holds
        at = last - start + tl.arange(0, BLOCK)
        values = tl.load(logits + at, mask=at < width, other=0.0).to(tl.float32)
        slopes = tl.where(at < vocabulary, tl.exp(values - log_total), 0.0) - tl.where(at == target, 1.0, 0.0)
        tl.store(logits + at, tl.where(counts, slopes, 0.0).to(logits.dtype.element_ty), mask=at < width)
