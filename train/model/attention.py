"""Let a model attend over full rows without a mask, which `transformers` would build, or ask the device for, each time.

Rows hold no padding: all that a causal model must not see is what `is_causal` says, and BERT may see everything. With
`transformers`' own "sdpa", a compiled GPT-2 gets an explicit mask, which rules out the fastest kernels, and one that is
not compiled waits for the device in each forward pass to look for packed sequences.
"""

from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

FULL_ROWS = "full_rows"

# Only as an attention: a model whose implementation makes no masks gets none (`_preprocess_mask_arguments` in
# transformers/masking_utils.py), and torch's attention is causal where there is none and the module says so.
AttentionInterface.register(FULL_ROWS, sdpa_attention_forward)


def attend_over_full_rows(model: PreTrainedModel) -> None:
    """Have a model ignore attention masks, in training and when it continues one prompt; exports do not name this."""
    model.set_attn_implementation(FULL_ROWS)
