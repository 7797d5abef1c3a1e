"""Write what a training hands on: model folders that `from_pretrained` loads, with their cards and figures.

A finished training goes in, folders come out. This wing writes the output, last of all.
"""

from train.export.copies import copies_to_export
from train.export.figures import measured_figures, run_figures
from train.export.folder import export

__all__ = [
    "copies_to_export",
    "export",
    "measured_figures",
    "run_figures",
]
