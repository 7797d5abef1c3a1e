"""Make tiny untrained GPT-2, Llama and BERT models, the same every time."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

FAMILY: dict[str, Any] = {
    "gpt2": (GPT2LMHeadModel, GPT2Config, {"n_layer": 3, "n_head": 4, "n_embd": 32, "n_positions": 1024}),
    "llama": (LlamaForCausalLM, LlamaConfig, {"intermediate_size": 48, "num_key_value_heads": 2, "rope_theta": 5000.0}),
    "bert": (BertForMaskedLM, BertConfig, {"intermediate_size": 48, "layer_norm_eps": 1e-6}),
}
NAMED = {"num_hidden_layers": 3, "num_attention_heads": 4, "hidden_size": 32, "max_position_embeddings": 512}

# Names under which libraries have loaded pickles of a model.
PICKLES = (
    *("pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "model.bin", "model.pt", "model.pth", "model.ckpt"),
    *("consolidated.00.pth", "adapter_model.bin", "training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth"),
    *("scaler.pt", "model.pkl", "flax_model.msgpack", "tf_model.h5"),
)


def make_causal(folder: Path, tokenizer: PreTrainedTokenizerFast, positions: int = 32) -> GPT2LMHeadModel:
    """Save an untrained GPT-2 of two layers with its tokenizer into `folder`."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=positions,
        n_embd=32,
        n_layer=2,
        n_head=2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.2,  # wide enough that an untrained model prefers some tokens clearly
    )
    model = GPT2LMHeadModel(config).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


def make_masked(folder: Path, tokenizer: PreTrainedTokenizerFast, positions: int = 32) -> BertForMaskedLM:
    """Save an untrained BERT of two layers with an MLM head and its tokenizer into `folder`."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=positions,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.2,
    )
    model = BertForMaskedLM(config).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


def make_stock(folder: Path, family: str, tokenizer: Path | None, **fields: object) -> PreTrainedModel:
    """Save a random model as `transformers` makes it, perhaps with a tokenizer."""
    model_class, config_class, own = FAMILY[family]
    torch.manual_seed(3)
    common = {"vocab_size": 400, "initializer_range": 0.2} | ({} if family == "gpt2" else NAMED)
    model = model_class(config_class(**common | own | fields)).eval()
    model.save_pretrained(folder)
    if tokenizer:
        AutoTokenizer.from_pretrained(tokenizer).save_pretrained(folder)
    return model
