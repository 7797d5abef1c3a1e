"""Fill blanks: in texts that a user gives, and where tokens of rows were hidden.

A model and texts go in, ranked tokens come out. This wing touches no file.
"""

from probes.cloze.answer import HOW
from probes.cloze.fill_mask import FillMaskResult

__all__ = [
    "HOW",
    "FillMaskResult",
]
