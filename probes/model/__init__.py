"""Load a model with its tokenizer, and describe what it is made of.

A folder or a name on the hub goes in, a `LoadedModel` comes out. This wing reads safetensors and JSON,
and writes nothing.
"""

from probes.model.anatomy import Anatomy
from probes.model.blocks import blocks_of
from probes.model.device import by_memory, rows_at_a_time
from probes.model.guard import guarded
from probes.model.loading import LoadedModel, load, load_tokenizer
from probes.model.pieces import Encoded

__all__ = [
    "Anatomy",
    "Encoded",
    "LoadedModel",
    "blocks_of",
    "by_memory",
    "guarded",
    "load",
    "load_tokenizer",
    "rows_at_a_time",
]
