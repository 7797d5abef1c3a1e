"""Load a model with its tokenizer, and describe what it is made of.

A folder or a name on the hub goes in, a `LoadedModel` comes out. This wing reads safetensors and JSON,
and writes nothing.
"""

from probes.model.anatomy import Anatomy
from probes.model.guard import OutOfMemory, guarded
from probes.model.loading import LoadedModel, load, load_tokenizer
from probes.model.pieces import Encoded

__all__ = [
    "Anatomy",
    "Encoded",
    "LoadedModel",
    "OutOfMemory",
    "guarded",
    "load",
    "load_tokenizer",
]
