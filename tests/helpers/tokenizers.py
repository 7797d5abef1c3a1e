"""Train a tiny tokenizer on six sentences, the same every time."""

from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

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
    tokenizer = Tokenizer(models.BPE())
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
