"""Pretrain a GPT-2 or a BERT on shards of token ids, on any number of devices, by Accelerate.

A folder of shards and its tokenizer go in; a folder that `from_pretrained` loads comes out, with the curves and the
checkpoints of the run beside it. Uses the network for nothing but to let processes find each other. Other packages
call the command `python -m train`; nothing is exported. `loop.py` is the place to start reading.
"""

from wikilm.missing import tell_missing

__all__: list[str] = []

tell_missing(__name__)
