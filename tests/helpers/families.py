"""Make a tiny random model of each family of language models, with a tokenizer of its kind trained on six sentences."""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AlbertTokenizer,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    BertTokenizer,
    GPT2Tokenizer,
    GPTNeoXTokenizer,
    LlamaTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Tokenizer,
    RobertaTokenizer,
    XLMRobertaTokenizer,
)

from tests.helpers.tokenizers import SENTENCES

_ROBERTA = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
_BERT = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_SIZE = 420


@cache
def _bpe(special: tuple[str, ...], *, bytes_: bool) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of a BPE over bytes, or over words that begin with ▁ as SentencePiece writes them."""
    tokenizer = Tokenizer(models.BPE())
    if bytes_:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        alphabet = ["▁"]
        special = (*special, *(f"<0x{byte:02X}>" for byte in range(256)))
    size = _SIZE if bytes_ else _SIZE + 256
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    model = _saved(tokenizer)
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


@cache
def _wordpiece() -> dict[str, int]:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=_SIZE, special_tokens=list(_BERT), show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return dict(_saved(tokenizer)["vocab"])


@cache
def _unigram(special: tuple[str, ...], *, lower: bool) -> list[tuple[str, float]]:
    tokenizer = Tokenizer(models.Unigram())
    if lower:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=150,
        special_tokens=list(special),
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return [(piece, score) for piece, score in _saved(tokenizer)["vocab"]]


def _saved(tokenizer: Tokenizer) -> dict[str, Any]:
    return dict(json.loads(tokenizer.to_str())["model"])


def _bytes_of(tokenizer_class: Any, special: tuple[str, ...], **fields: Any) -> PreTrainedTokenizerFast:
    vocab, merges = _bpe(special, bytes_=True)
    return tokenizer_class(vocab=vocab, merges=merges, **fields)


def _plain_bytes(special: tuple[str, ...], *, wrapped: bool, **fields: Any) -> PreTrainedTokenizerFast:
    """A byte-level BPE that comes as a tokenizer.json alone; `wrapped` in [CLS] and [SEP]."""
    vocab, merges = _bpe(special, bytes_=True)
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if wrapped:
        ends = [(name, vocab[name]) for name in ("[CLS]", "[SEP]")]
        tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **fields)


def _mask(name: str) -> AddedToken:
    """The mask token as RoBERTa and many after it have it: it takes the space before it with it."""
    return AddedToken(name, lstrip=True, normalized=False, special=True)


def _llama() -> PreTrainedTokenizerFast:
    vocab, merges = _bpe(("<unk>", "<s>", "</s>"), bytes_=False)
    return LlamaTokenizer(vocab=vocab, merges=merges, add_bos_token=True)


def _bert() -> PreTrainedTokenizerFast:
    return BertTokenizer(vocab=_wordpiece())


_END = ("<|endoftext|>",)
_TOKENIZERS = {
    "gpt2": lambda: _bytes_of(GPT2Tokenizer, _END),
    "gpt_neox": lambda: _bytes_of(GPTNeoXTokenizer, (*_END, "<|padding|>")),
    "opt": lambda: _bytes_of(
        GPT2Tokenizer,
        ("<s>", "<pad>", "</s>"),
        bos_token="</s>",
        eos_token="</s>",
        unk_token="</s>",
        pad_token="<pad>",
        add_bos_token=True,
    ),
    "llama": _llama,
    "mamba": lambda: _bytes_of(GPTNeoXTokenizer, (*_END, "<|padding|>")),
    "qwen2": lambda: _bytes_of(Qwen2Tokenizer, _END),
    "bloom": lambda: _plain_bytes(
        ("<unk>", "<s>", "</s>", "<pad>"),
        wrapped=False,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
    ),
    "bert": _bert,
    "distilbert": _bert,
    "electra": _bert,
    "roberta": lambda: _bytes_of(RobertaTokenizer, _ROBERTA, mask_token=_mask("<mask>")),
    "xlm-roberta": lambda: XLMRobertaTokenizer(vocab=_unigram(_ROBERTA, lower=False), mask_token=_mask("<mask>")),
    "albert": lambda: AlbertTokenizer(
        vocab=_unigram(("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"), lower=True), mask_token=_mask("[MASK]")
    ),
    "modernbert": lambda: _plain_bytes(
        _BERT,
        wrapped=True,
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        mask_token=_mask("[MASK]"),
    ),
}
CAUSAL = ("gpt2", "gpt_neox", "opt", "llama", "qwen2", "bloom")
MASKED = ("bert", "roberta", "xlm-roberta", "distilbert", "electra", "albert", "modernbert")
_WIDTH = 16
_FIELDS: dict[str, dict[str, Any]] = {
    "gpt2": {},
    "opt": {"word_embed_proj_dim": _WIDTH, "ffn_dim": 32},
    "llama": {"num_key_value_heads": 1},
    "mamba": {"state_size": 4},
    "qwen2": {"num_key_value_heads": 1},
    "distilbert": {"dim": _WIDTH, "n_layers": 1, "n_heads": 2, "hidden_dim": 32},
    "electra": {"embedding_size": _WIDTH},
    "albert": {"embedding_size": _WIDTH},
    "modernbert": {"global_attn_every_n_layers": 1, "local_attention": 16},
}


def make_family(folder: Path, family: str, positions: int = 64) -> PreTrainedModel:
    """Save a random model of one layer of width 16 with its tokenizer into `folder`, and return it.

    Its weights are wide enough that it prefers some tokens clearly, and `family` is a model type of `transformers`.
    """
    tokenizer = _TOKENIZERS[family]()
    special = {
        f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad", "cls", "sep")
    }
    spare = 2 if "roberta" in family else 0  # these count their places from the padding id + 1
    common = {
        "vocab_size": len(tokenizer) + 3,  # padded, as many are: three ids that stand for nothing
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "hidden_size": _WIDTH,
        "intermediate_size": 32,
        "max_position_embeddings": positions + spare,
        "initializer_range": 0.5,
        **special,
    }
    config = AutoConfig.for_model(family, **common | _FIELDS.get(family, {}))
    auto = AutoModelForMaskedLM if family in MASKED else AutoModelForCausalLM
    torch.manual_seed(3)
    model = auto.from_config(config, attn_implementation="eager").eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


def make_families(folder: Path, families: Iterable[str]) -> None:
    """Save each of `families` into a folder of its name."""
    for family in families:
        make_family(folder / family, family)
