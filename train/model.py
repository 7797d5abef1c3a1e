"""Build an untrained GPT-2 or BERT with a row as its context and the tokenizer's vocabulary."""

from typing import TYPE_CHECKING

import torch
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel, PreTrainedModel

if TYPE_CHECKING:
    from train.settings import Objective, PretrainSettings
    from wikilm.shards import TokenizerEntry

# The tanh approximation, GPT-2's own function. By GPT-2's name for it, gelu_new, transformers computes it in eight
# operations; by this name, in one kernel.
GELU = "gelu_pytorch_tanh"


def build(
    objective: "Objective", settings: "PretrainSettings", tokenizer: "TokenizerEntry", chunk_tokens: int
) -> PreTrainedModel:
    """Build an untrained model, its weights a function of `settings.seed`; `torch`'s global generator stays seeded."""
    torch.manual_seed(settings.seed)
    if objective == "causal":
        return GPT2LMHeadModel(gpt2_config(settings, tokenizer, chunk_tokens))
    return BertForMaskedLM(bert_config(settings, tokenizer, chunk_tokens))


def gpt2_config(settings: "PretrainSettings", tokenizer: "TokenizerEntry", chunk_tokens: int) -> GPT2Config:
    """GPT-2 as Radford et al. 2019 describe it."""
    return GPT2Config(
        vocab_size=tokenizer.vocab_size,
        n_positions=chunk_tokens,  # not n_ctx, which is ignored and would leave 1024
        n_layer=settings.layers,
        n_head=settings.heads,
        n_embd=settings.width,
        activation_function=GELU,
        embd_pdrop=settings.dropout,
        attn_pdrop=settings.dropout,
        resid_pdrop=settings.dropout,
        bos_token_id=tokenizer.end_of_text_id,
        eos_token_id=tokenizer.end_of_text_id,
        pad_token_id=tokenizer.end_of_text_id,
    )


def bert_config(settings: "PretrainSettings", tokenizer: "TokenizerEntry", chunk_tokens: int) -> BertConfig:
    """BERT as Devlin et al. 2019 describe it, less the next-sentence task: all segments are of type 0."""
    return BertConfig(
        vocab_size=tokenizer.vocab_size,
        max_position_embeddings=chunk_tokens,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        hidden_size=settings.width,
        intermediate_size=4 * settings.width,
        hidden_act=GELU,
        hidden_dropout_prob=settings.dropout,
        attention_probs_dropout_prob=settings.dropout,
        pad_token_id=None,  # rows are full; and its embedding, end-of-text's here, would get no gradient
    )


def parameter_counts(model: PreTrainedModel) -> dict[str, int]:
    """Return the number of parameters, tied ones once: all of them, and those that are not an embedding."""
    counted = {name: parameter.numel() for name, parameter in model.named_parameters()}
    embeddings = sum(size for name, size in counted.items() if is_embedding(name))
    total = sum(counted.values())
    return {"parameters": total, "non_embedding_parameters": total - embeddings}


def is_embedding(name: str) -> bool:
    """Return whether a parameter is a table of token, position or segment embeddings (the token table is the head as
    well).
    """
    return name.endswith((".wte.weight", ".wpe.weight")) or "_embeddings.weight" in name
