"""Make a tiny tokenizer and tiny GPT-2 and BERT models on the spot, the same every time."""

from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers import models as tokenizer_models
from tokenizers.trainers import BpeTrainer
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

END_OF_TEXT = "<|endoftext|>"
MASK = "<|mask|>"
SENTENCES = (
    "The lighthouse keeper counted the ships that passed before dawn.",
    "A river carries sand from the mountains down to the sea.",
    "Copper turns green in the rain, and gold does not.",
    "In winter the lake freezes, and children skate on it until dusk.",
    "Bees tell each other where flowers are by dancing in the dark hive.",
    "The old bridge was built of stone, without any mortar.",
)


def make_tokenizer(folder: Path, vocab_size: int = 400) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE on `SENTENCES`, save it into `folder` as `AutoTokenizer` loads it, and return it.

    End-of-text has the last id but one, the mask token the last.
    """
    tokenizer = Tokenizer(tokenizer_models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=vocab_size - 2, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TEXT,
        bos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        unk_token=END_OF_TEXT,
        mask_token=AddedToken(MASK, lstrip=True, normalized=False, special=True),
        clean_up_tokenization_spaces=False,
    )
    fast.save_pretrained(folder)
    return fast


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
