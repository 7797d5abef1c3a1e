"""Turn the text of articles into prose.

Wikitext and its site go in, plain text or a dead letter comes out. Pure, but for the compiled code that numba keeps.
"""

from pipeline.prose.cleaner import Cleaner
from pipeline.prose.fast_path import prepare
from pipeline.prose.plain import blank_texts

__all__ = ["Cleaner", "blank_texts", "prepare"]
