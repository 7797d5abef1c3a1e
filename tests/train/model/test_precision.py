"""Under autocast in bf16 blocks hand on bf16; in fp16, and without autocast, they hand on fp32."""

import pytest
import torch

from tests.helpers.training import SHAPE, TOKENIZER, make_settings
from train.model.build import build
from train.model.precision import carry_in_bf16


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, None])
def test_what_blocks_hand_on_is_in_bf16_where_products_are(architecture: str, dtype: torch.dtype | None) -> None:
    model = build("causal", make_settings("causal", **SHAPE, architecture=architecture), TOKENIZER, 24)
    carry_in_bf16(model)
    carried: set[torch.dtype] = set()
    blocks = model.transformer.h if architecture == "gpt2" else model.model.layers
    for block in blocks:
        block.register_forward_pre_hook(lambda module, inputs: carried.add(inputs[0].dtype))
    with torch.autocast("cpu", dtype or torch.bfloat16, enabled=dtype is not None):
        loss = model(torch.zeros(2, 24, dtype=torch.int64)).logits.float().logsumexp(-1).mean()
    loss.backward()
    assert carried == {torch.bfloat16 if dtype == torch.bfloat16 else torch.float32}
    assert {parameter.grad.dtype for parameter in model.parameters() if parameter.grad is not None} == {torch.float32}
