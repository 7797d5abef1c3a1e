"""Encode prose as token ids, and cut the ids into rows.

Texts go in, arrays come out. This wing reads the folder of the tokenizer, and writes nothing.
"""

from pipeline.tokens.encoder import HARD_TEXT, TOKENIZERS, Encoder
from pipeline.tokens.encoder_pool import EncoderSpec
from pipeline.tokens.rows import NO_TAIL, Rows, Tail, TokenIds, cut_rows, token_ids

__all__ = [
    "HARD_TEXT",
    "NO_TAIL",
    "TOKENIZERS",
    "Encoder",
    "EncoderSpec",
    "Rows",
    "Tail",
    "TokenIds",
    "cut_rows",
    "token_ids",
]
