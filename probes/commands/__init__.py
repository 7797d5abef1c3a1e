"""The questions as commands: one module for each, which says what its flags are and calls the wing that answers.

torch takes seconds to import: each command imports what it needs once its flags are known to be right, so that `--help`
and a mistake answer at once.
"""

from probes.commands import (
    anatomy,
    curves,
    explore,
    fill_mask,
    generate,
    index,
    loss,
    perplexity,
    recite,
    report,
    trace,
)
from probes.commands.flags import PROGRAM

# In the order in which `--help` lists them.
QUESTIONS = (anatomy, fill_mask, generate, recite, curves, perplexity, loss, index, trace, report, explore)

__all__ = ["PROGRAM", "QUESTIONS"]
