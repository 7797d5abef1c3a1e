"""Accelerate: Arrow shards in, a GPT-2 or BERT that `from_pretrained` loads out; `loop.py` tells the story."""

from wikilm.missing import tell_missing

tell_missing(__name__)
