"""Build an untrained GPT-2, Llama or BERT with a row as its context and the tokenizer's vocabulary."""

from typing import TYPE_CHECKING, Any, Literal

import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)

if TYPE_CHECKING:
    from train.settings import Objective, PretrainSettings
    from wikilm.shards import TokenizerEntry

Architecture = Literal["gpt2", "llama", "bert"]

# The exact function, BERT's own. On a CPU it takes half the time of GPT-2's tanh approximation of it, from which it
# differs by at most 0.0005. By GPT-2's name, `gelu_new`, transformers computes that in eight operations.
GELU = "gelu"
TANH_GELU = "gelu_pytorch_tanh"  # GPT-2's own, `gelu_new`, in one operation
EMBEDDINGS = (".wte.weight", ".wpe.weight", "_embeddings.weight", ".embed_tokens.weight")
HEADS = ("lm_head.weight", ".predictions.decoder.weight")  # known by these names only where no embedding is the head

DROPOUTS: dict[Architecture, tuple[str, ...]] = {
    "gpt2": ("embd_pdrop", "attn_pdrop", "resid_pdrop"),
    "llama": ("attention_dropout",),
    "bert": ("hidden_dropout_prob", "attention_probs_dropout_prob"),
}


def build(
    objective: "Objective", settings: "PretrainSettings", tokenizer: "TokenizerEntry", chunk_tokens: int
) -> PreTrainedModel:
    """Build an untrained model, its weights a function of `settings.seed`; `torch`'s global generator stays seeded."""
    torch.manual_seed(settings.seed)
    match architecture(settings):
        case "gpt2":
            return GPT2LMHeadModel(gpt2_config(settings, tokenizer, chunk_tokens))
        case "llama":
            return LlamaForCausalLM(llama_config(settings, tokenizer, chunk_tokens))
        case _:
            return BertForMaskedLM(bert_config(settings, tokenizer, chunk_tokens))


def architecture(settings: "PretrainSettings") -> Architecture:
    """Return which kind of transformer the settings ask for."""
    return getattr(settings, "architecture", "bert")  # which the masked objective does not have


def gpt2_config(settings: "PretrainSettings", tokenizer: "TokenizerEntry", chunk_tokens: int) -> GPT2Config:
    """GPT-2 as Radford et al. 2019 describe it."""
    layers, heads, width = settings.shape
    return GPT2Config(
        n_positions=chunk_tokens,  # not n_ctx, which is ignored and would leave 1024
        n_layer=layers,
        n_head=heads,
        n_embd=width,
        activation_function=GELU,
        pad_token_id=tokenizer.end_of_text_id,
        **run_fields(settings, tokenizer),
    )


def llama_config(settings: "PretrainSettings", tokenizer: "TokenizerEntry", chunk_tokens: int) -> LlamaConfig:
    """Llama as Touvron et al. 2023 describe it, but with the embedding as its head, as small Llamas have it."""
    layers, heads, width = settings.shape
    return LlamaConfig(
        max_position_embeddings=chunk_tokens,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        hidden_size=width,
        intermediate_size=swiglu_width(width),
        tie_word_embeddings=True,
        pad_token_id=None,  # as BERT's, below
        **run_fields(settings, tokenizer),
    )


def bert_config(settings: "PretrainSettings", tokenizer: "TokenizerEntry", chunk_tokens: int) -> BertConfig:
    """BERT as Devlin et al. 2019 describe it, less the next-sentence task: all segments are of type 0."""
    layers, heads, width = settings.shape
    return BertConfig(
        max_position_embeddings=chunk_tokens,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        hidden_size=width,
        intermediate_size=4 * width,
        hidden_act=GELU,
        pad_token_id=None,  # rows are full; and its embedding, end-of-text's here, would get no gradient
        **run_fields(settings, tokenizer),
    )


def run_fields(settings: "PretrainSettings", tokenizer: "TokenizerEntry") -> dict[str, Any]:
    """Return the fields of a configuration that the run decides, also where its first weights are another model's."""
    kind, end = architecture(settings), tokenizer.end_of_text_id
    ends = {} if kind == "bert" else {"bos_token_id": end, "eos_token_id": end}
    return {"vocab_size": tokenizer.vocab_size, **ends, **dict.fromkeys(DROPOUTS[kind], settings.dropout)}


def swiglu_width(width: int) -> int:
    """Return the width of a feed-forward network with a gate: 8/3 of the hidden state's, rounded up.

    It has three matrices where GPT-2's has two of 4 x width, so that both have as many parameters (Shazeer 2020). To a
    multiple of 64, as matrix units like it; of 32 in small models, where that would be much.
    """
    multiple = 64 if width >= 256 else 32
    return -(-8 * width // (3 * multiple)) * multiple


def parameter_counts(model: PreTrainedModel) -> dict[str, int]:
    """Return the number of parameters, tied ones once: all of them, and those that are not an embedding or the head."""
    counted = {name: parameter.numel() for name, parameter in model.named_parameters()}
    embeddings = sum(size for name, size in counted.items() if is_embedding(name))
    total = sum(counted.values())
    return {"parameters": total, "non_embedding_parameters": total - embeddings}


def is_embedding(name: str) -> bool:
    """Return whether a parameter is a table of token, position or segment embeddings, or a head that is no such table
    as well.
    """
    return name.endswith(EMBEDDINGS + HEADS)
