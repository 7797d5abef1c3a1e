"""Load a model with its tokenizer, and describe what it is made of.

A folder or a name on the hub goes in, a `LoadedModel` comes out. This wing reads safetensors and JSON,
and writes nothing.
"""

from probes.model.anatomy import Anatomy
from probes.model.loading import LoadedModel, load, load_tokenizer

__all__ = [
    "Anatomy",
    "LoadedModel",
    "load",
    "load_tokenizer",
]
