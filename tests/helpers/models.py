"""Make tiny untrained GPT-2 and BERT models, the same every time."""

from pathlib import Path

import torch
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

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
