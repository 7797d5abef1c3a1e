"""Turn the text of articles into prose.

Wikitext and its site go in, plain text comes out; what numba compiles for it is all that this wing writes.
"""

from pipeline.prose.deadline import TooSlow
from pipeline.prose.fast_path import CompilerError, prepare
from pipeline.prose.plain import blank_texts, plain_texts

__all__ = ["CompilerError", "TooSlow", "blank_texts", "plain_texts", "prepare"]
